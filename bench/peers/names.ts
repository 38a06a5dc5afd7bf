import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ok } from '../../test/support/index.ts';
import { inspect, type Peer, start } from './engines.ts';
import type { Measure, Report } from './report.ts';

const CLIENT = fileURLToPath(new URL('../dns-client.ts', import.meta.url));
const SILENCE = fileURLToPath(new URL('silence.ts', import.meta.url));
const ROUNDS = 3;
const MS = '1500';
const WINDOW = '32';
const NEIGHBOURS = 10;

const RATE: Measure = { what: 'names: rate, window of 32', unit: '/s', lower: false, target: 'ahead' };
const LATE: Measure = {
  what: 'names, latency: 99th percentile, window of 32',
  unit: 'ms',
  lower: true,
  target: '≤ 1 ms',
};
const LONGEST: Measure = {
  what: 'names, latency: longest wait while neighbours start and stop',
  unit: 'ms',
  lower: true,
  target: '≤ 2 ms',
};
const LOST: Measure = {
  what: 'names, lost: while neighbours start and stop',
  unit: 'queries',
  lower: true,
  target: '0',
};

/** A container's name, asked in a container: rate, and the longest silence while others come and go. */
export async function names(peers: readonly Peer[], report: Report): Promise<void> {
  for (const peer of peers) {
    await start(peer, 'server', { network: 'bench' });
    await start(peer, 'client', { network: 'bench' });
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const peer of peers) {
      const { pid, gateway } = await inspect(peer, 'client', 'bench');
      // podman's resolver is on the bridge, the others' in the container.
      const resolver = peer.name === 'podman' ? gateway : '127.0.0.11';
      const enter = ['nsenter', `--net=/proc/${pid}/ns/net`, process.execPath];
      const measured = JSON.parse(await ok([...enter, CLIENT, resolver, 'server', MS, WINDOW]));
      if (measured.codes.some(([code]: [number]) => code !== 0)) throw new Error(`${peer.name}: no answer for server`);
      report.add(RATE, peer.name, measured.rate);
      report.add(LATE, peer.name, measured.p99);
      const silence = await whileNeighboursChange(peer, [...enter, SILENCE, resolver, 'server']);
      report.add(LONGEST, peer.name, silence.longest);
      report.add(LOST, peer.name, silence.lost);
    }
  }
  for (const { api } of peers) for (const name of ['server', 'client']) await api.remove(name);
}

async function whileNeighboursChange(
  peer: Peer,
  [program = '', ...args]: readonly string[],
): Promise<{ longest: number; lost: number }> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  await lines.next();
  for (let index = 0; index < NEIGHBOURS; index += 1) {
    await start(peer, `neighbour${index}`, { network: 'bench' });
    await peer.api.remove(`neighbour${index}`);
  }
  const ended = once(child, 'exit');
  child.stdin.end();
  const seen = await lines.next();
  await ended;
  return JSON.parse(String(seen.value));
}
