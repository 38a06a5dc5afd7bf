import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Engine, ok } from '../test/support/index.ts';
import { stopChild } from '../test/support/lan.ts';
import type { Api } from './api.ts';
import { median, type Row } from './stats.ts';

const ROUNDS = 15;
const TABLE = 'bridge fairway';

/**
 * What the check of every frame costs between two containers: the same bytes and packets with and without its table, by
 * turns. Processor time, because others' work on the machine changes how long something takes, and hardly what it costs.
 */
export async function guard(api: Api, { daemon, host }: Engine): Promise<Row[]> {
  await api.call('POST', '/networks/create', { Name: 'bench' });
  const server = await api.run('server', 'bench');
  const client = await api.run('client', 'bench');
  const address = await ok(inside(server, 'sh', '-c', "ip -4 -o addr show eth0 | sed 's/.*inet //; s,/.*,,'"));
  // It would bring the table back at once.
  await daemon.stop();
  const table = await host.ok(['nft', 'list', 'table', ...TABLE.split(' ')]);
  const pair = { client, server, address };
  const ratios = { stream: [] as number[], packets: [] as number[] };
  const costs = { stream: [] as number[], packets: [] as number[] };
  const turn = async (guarded: boolean): Promise<Cost> => {
    await host.ok(['nft', '-f', '-'], { input: `add table ${TABLE}\ndelete table ${TABLE}\n${guarded ? table : ''}` });
    return { stream: await secondsPerGigabyte(pair), packets: await microsecondsPerRoundTrip(pair) };
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    // Each before the other as often.
    const onFirst = round % 2 === 0;
    const one = await turn(onFirst);
    const other = await turn(!onFirst);
    const [on, off] = onFirst ? [one, other] : [other, one];
    for (const kind of ['stream', 'packets'] as const) {
      costs[kind].push(on[kind]);
      ratios[kind].push(off[kind] / on[kind]);
    }
  }
  await daemon.start();
  for (const name of ['server', 'client']) await api.remove(name);
  await api.call('DELETE', '/networks/bench');
  return [
    {
      what: 'check of frames, TCP stream',
      value: `${median(costs.stream).toFixed(2)} s of processor a gigabyte, ratio ${median(ratios.stream).toFixed(3)}`,
      baseline: 'without its table',
      target: '≥ 0.98',
    },
    {
      what: 'check of frames, one packet there and one back',
      value: `${median(costs.packets).toFixed(2)} µs of processor, ratio ${median(ratios.packets).toFixed(3)}`,
      baseline: 'without its table',
      target: '≥ 0.98',
    },
  ];
}

interface Pair {
  readonly client: number;
  readonly server: number;
  readonly address: string;
}

interface Cost {
  readonly stream: number;
  readonly packets: number;
}

function inside(pid: number, ...command: string[]): string[] {
  return ['nsenter', `--net=/proc/${pid}/ns/net`, ...command];
}

/** Of both ends. */
async function secondsPerGigabyte({ client, server, address }: Pair): Promise<number> {
  const [program = '', ...args] = inside(server, 'iperf3', '-s', '-1', '--forceflush');
  const listener = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(listener.stdout, 'data');
  const report = JSON.parse(await ok(inside(client, 'iperf3', '-c', address, '-n', '2G', '-J'))) as {
    readonly end: {
      readonly sum_received: { readonly bytes: number; readonly seconds: number };
      readonly cpu_utilization_percent: { readonly host_total: number; readonly remote_total: number };
    };
  };
  await stopChild(listener);
  const { sum_received: sum, cpu_utilization_percent: cpu } = report.end;
  return (((cpu.host_total + cpu.remote_total) / 100) * sum.seconds) / (sum.bytes / 1e9);
}

const PACKETS = 40_000;

/** Of the process that sends: the kernel carries the packet and its answer through the bridge in its name. */
async function microsecondsPerRoundTrip({ client, address }: Pair): Promise<number> {
  const script = `ping -q -f -c ${PACKETS} ${address} >/dev/null; times`;
  const times = (await ok(inside(client, 'sh', '-c', script))).split('\n').at(-1) ?? '';
  const seconds = [...times.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, rest]) => Number(minutes) * 60 + Number(rest),
  );
  return (seconds.reduce((sum, one) => sum + one, 0) / PACKETS) * 1e6;
}
