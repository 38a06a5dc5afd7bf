import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ok } from '../test/support/index.ts';
import { startHolder, stopChild } from '../test/support/lan.ts';
import type { Api } from './api.ts';
import { CLIENT_CORE, onCore, SERVER_CORE } from './cores.ts';
import { median, type Row } from './stats.ts';

const ROUNDS = 5;

export interface Pair {
  readonly client: number;
  readonly server: number;
  readonly serverAddress: string;
}

/** Two containers of a user bridge beside two namespaces on a hand-made bridge, alternating. */
export async function dataPath(api: Api): Promise<Row[]> {
  await api.call('POST', '/networks/create', { Name: 'bench' });
  const containers: Pair = {
    server: await api.run('server', 'bench'),
    client: await api.run('client', 'bench'),
    serverAddress: await addressOf(api, 'server'),
  };
  const manual = await manualPair();
  const throughput = { fairway: [] as number[], manual: [] as number[] };
  const roundTrip = { fairway: [] as number[], manual: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    throughput.manual.push(await gigabits(manual.pair));
    throughput.fairway.push(await gigabits(containers));
    roundTrip.fairway.push(await microseconds(containers));
    roundTrip.manual.push(await microseconds(manual.pair));
  }
  await manual.close();
  await api.remove('server');
  await api.remove('client');
  await api.call('DELETE', '/networks/bench');
  const ratio = (a: number, b: number): string => (a / b).toFixed(2);
  return [
    {
      what: 'container ↔ container, TCP throughput',
      value: `${median(throughput.fairway).toFixed(1)} Gbit/s, ratio ${ratio(median(throughput.fairway), median(throughput.manual))}`,
      baseline: `hand-made veth + bridge: ${median(throughput.manual).toFixed(1)} Gbit/s`,
      target: '≥ 0.97',
    },
    {
      what: 'container ↔ container, round trip',
      value: `${median(roundTrip.fairway).toFixed(1)} µs, ratio ${ratio(median(roundTrip.manual), median(roundTrip.fairway))}`,
      baseline: `hand-made veth + bridge: ${median(roundTrip.manual).toFixed(1)} µs`,
      target: '≥ 0.97',
    },
  ];
}

async function addressOf(api: Api, name: string): Promise<string> {
  const view = (await api.call('GET', `/containers/${name}/json`)) as {
    NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
  };
  return view.NetworkSettings.Networks.bench?.IPAddress ?? '';
}

export async function manualPair(): Promise<{ pair: Pair; close(): Promise<void> }> {
  const middle = await startHolder(['-n'], 'ip link add br0 type bridge forward_delay 0; ip link set br0 up');
  const ends = [await startHolder(['-n'], 'true'), await startHolder(['-n'], 'true')];
  for (const [index, end] of ends.entries()) {
    await ok([
      'ip',
      'link',
      'add',
      `port${index}`,
      'netns',
      String(middle.pid),
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      String(end.pid),
    ]);
    await ok([
      'nsenter',
      `--net=/proc/${middle.pid}/ns/net`,
      'ip',
      'link',
      'set',
      `port${index}`,
      'master',
      'br0',
      'up',
    ]);
    await ok([
      'nsenter',
      `--net=/proc/${end.pid}/ns/net`,
      'sh',
      '-c',
      `ip link set lo up; ip link set eth0 up; ip addr add 10.9.0.${index + 1}/24 dev eth0`,
    ]);
  }
  const [server, client] = ends;
  return {
    pair: { server: server?.pid ?? 0, client: client?.pid ?? 0, serverAddress: '10.9.0.1' },
    close: async () => {
      for (const holder of [...ends, middle]) await stopChild(holder);
    },
  };
}

export interface Stream {
  /** Command lines that run what follows where the client and where the server is. */
  readonly client: readonly string[];
  readonly server: readonly string[];
  /** Where the client finds the server. */
  readonly address: string;
  readonly port?: number;
  readonly seconds?: number;
}

export function within(pid: number): string[] {
  return ['nsenter', `--net=/proc/${pid}/ns/net`];
}

export function gigabits(pair: Pair, seconds = 2): Promise<number> {
  return throughput({ client: within(pair.client), server: within(pair.server), address: pair.serverAddress, seconds });
}

/** Gbit/s of one TCP stream. */
export async function throughput({ client, server, address, port = 5201, seconds = 2 }: Stream): Promise<number> {
  const [program = '', ...args] = [
    ...[...server, ...onCore(SERVER_CORE), 'iperf3', '-s', '-1', '--forceflush'],
    ...['-p', String(port)],
  ];
  const listener = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(listener.stdout, 'data');
    const asked = [
      'iperf3',
      '-c',
      address,
      '-p',
      String(port),
      '-t',
      String(seconds),
      '-J',
      '--connect-timeout',
      '3000',
    ];
    const report = await ok([...client, ...onCore(CLIENT_CORE), ...asked], { timeoutMs: 20_000 + seconds * 1000 });
    const { end } = JSON.parse(report) as { end: { sum_received: { bits_per_second: number } } };
    return end.sum_received.bits_per_second / 1e9;
  } finally {
    await stopChild(listener);
  }
}

/** Of one packet there and back, by ping. */
export async function microseconds(pair: Pair, count = 3000): Promise<number> {
  const ping = [...onCore(CLIENT_CORE), 'ping', '-q', '-c', String(count), '-i', '0', pair.serverAddress];
  const report = await ok([...within(pair.client), ...ping]);
  return Number(/= [\d.]+\/([\d.]+)\//.exec(report)?.[1]) * 1000;
}
