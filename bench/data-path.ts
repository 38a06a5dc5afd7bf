import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ok } from '../test/support/index.ts';
import { startHolder, stopChild } from '../test/support/lan.ts';
import type { Api } from './api.ts';
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

export async function gigabits(pair: Pair): Promise<number> {
  const server = spawn('nsenter', [`--net=/proc/${pair.server}/ns/net`, 'iperf3', '-s', '-1', '--forceflush'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(server.stdout, 'data');
  const report = await ok([
    'nsenter',
    `--net=/proc/${pair.client}/ns/net`,
    'iperf3',
    '-c',
    pair.serverAddress,
    '-t',
    '2',
    '-J',
  ]);
  await stopChild(server);
  return (
    (JSON.parse(report) as { end: { sum_received: { bits_per_second: number } } }).end.sum_received.bits_per_second /
    1e9
  );
}

export async function microseconds(pair: Pair): Promise<number> {
  const report = await ok([
    'nsenter',
    `--net=/proc/${pair.client}/ns/net`,
    'ping',
    '-q',
    '-c',
    '3000',
    '-i',
    '0',
    pair.serverAddress,
  ]);
  return Number(/= [\d.]+\/([\d.]+)\//.exec(report)?.[1]) * 1000;
}
