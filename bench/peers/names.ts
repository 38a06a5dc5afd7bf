import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ok } from '../../test/support/index.ts';
import { stopChild } from '../../test/support/lan.ts';
import { within } from '../data-path.ts';
import { ECHO_ADDRESS, RAISED, startEcho } from '../dns.ts';
import { COUNTS } from './counts.ts';
import { type Found, inspect, NETWORK, type Peer, resolverOf, start } from './engines.ts';
import { less, type Measure, more } from './report.ts';
import type { Turns } from './turns.ts';

const CLIENT = fileURLToPath(new URL('../dns-client.ts', import.meta.url));
const SILENCE = fileURLToPath(new URL('silence.ts', import.meta.url));
const WINDOW = '32';

interface Question {
  readonly what: string;
  readonly name: string;
  readonly type?: string;
  /** What the answers must say; not given: any. */
  readonly code?: number;
  readonly ms: number;
}

const ECHO = 'UDP echo by Node';
const LATE = less('names, latency: 99th percentile, window of 32', 'ms', '≤ 1 ms');
const LONGEST = less('names, latency: longest wait while neighbours start and stop', 'ms', '≤ 2 ms');
const LATE_BUSY = less('names, latency: 99th percentile while neighbours start and stop', 'ms', '≤ 1 ms');
const LOST = less('names, lost: while neighbours start and stop', 'queries', '0');

const rateOf = ({ what }: Pick<Question, 'what'>): Measure => more(`names: rate, ${what}`, '/s', 'ahead');
const RATE_OF_NAME = rateOf({ what: 'a container’s name' });

/** Names asked in a container: how many in a second, and the longest silence while others come and go. */
export async function names(turns: Turns): Promise<void> {
  const addresses = new Map<string, string>();
  await turns.each(async (peer) => {
    await start(peer, 'server', { network: NETWORK });
    await start(peer, 'client', { network: NETWORK });
    addresses.set(peer.name, (await inspect(peer, 'server')).address);
  });
  for await (const _ of turns.rounds(COUNTS.nameRounds)) {
    for (const kind of ['name', 'PTR', 'miss', 'cached', 'forwarded'] as const) {
      await turns.each(async (peer) => {
        const question = questionOf(kind, addresses.get(peer.name) ?? '');
        const rate = rateOf(question);
        const measured = await ask(peer, await inspect(peer, 'client'), question);
        if (!right(measured, question)) {
          turns.report.note(
            rate,
            `${peer.name} gives wrong answers, code and number: ${measured.codes.map((pair) => pair.join(' × ')).join(', ')}`,
          );
          return;
        }
        turns.report.add(rate, peer.name, measured.rate);
        if (kind === 'name') turns.report.add(LATE, peer.name, measured.p99);
      });
    }
    await turns.each(async (peer) => {
      const client = await inspect(peer, 'client');
      const silence = await whileNeighboursChange(peer, client, { turns, address: resolverOf(peer, client) });
      turns.report.add(LONGEST, peer.name, silence.longest);
      turns.report.add(LATE_BUSY, peer.name, silence.p99);
      turns.report.add(LOST, peer.name, silence.lost);
    });
    await turns.each(
      (peer) => echoed(peer, turns),
      ({ name }) => name === 'fairway',
    );
  }
}

/** The same of a program that only gives datagrams back, in a container of Fairway's: what is left of it is none of a resolver's. */
async function echoed(peer: Peer, turns: Turns): Promise<void> {
  const client = await inspect(peer, 'client');
  const echo = await startEcho(['setsid', '-w', ...within(client.pid), process.execPath]);
  try {
    const measured = await askAt(ECHO_ADDRESS, client, questionOf('name', ''));
    turns.report.add(RATE_OF_NAME, ECHO, measured.rate);
    turns.report.add(LATE, ECHO, measured.p99);
    const silence = await whileNeighboursChange(peer, client, { turns, address: ECHO_ADDRESS });
    turns.report.add(LONGEST, ECHO, silence.longest);
    turns.report.add(LATE_BUSY, ECHO, silence.p99);
  } finally {
    await echo.end();
  }
}

function questionOf(kind: 'name' | 'PTR' | 'miss' | 'cached' | 'forwarded', server: string): Question {
  const reverse = `${server.split('.').reverse().join('.')}.in-addr.arpa`;
  return {
    name: { what: 'a container’s name', name: 'server', code: 0, ms: 1000 },
    PTR: { what: 'a container’s address (PTR)', name: reverse, type: 'PTR', code: 0, ms: 600 },
    // The LAN's resolver knows nobody and says for how long; dockerd asks it each time.
    miss: { what: 'a name that nobody has', name: 'nobody', ms: 600 },
    cached: { what: 'a name of outside, the same again', name: 'one.lan.test', code: 0, ms: 600 },
    forwarded: { what: 'names of outside, each another', name: '*.lan.test', code: 0, ms: 600 },
  }[kind];
}

export interface Answers {
  readonly rate: number;
  readonly p99: number;
  /** How many answers had which code. */
  readonly codes: readonly (readonly [number, number])[];
}

/** Asked in that container as fast as answers come. */
export function ask(peer: Peer, client: Found, question: Question): Promise<Answers> {
  return askAt(resolverOf(peer, client), client, question);
}

async function askAt(address: string, client: Found, question: Question): Promise<Answers> {
  const { name, type = 'A', ms } = question;
  const asked = [CLIENT, address, name, String(ms), WINDOW, '53', type];
  const text = await ok([...within(client.pid), process.execPath, ...asked], { timeoutMs: 15_000 });
  const measured = JSON.parse(text) as Answers;
  if (measured.codes.length === 0) throw new Error(`no answer for ${question.what}`);
  return measured;
}

function right({ codes }: Answers, { code }: Question): boolean {
  return code === undefined || codes.every(([said]) => said === code);
}

interface Silence {
  readonly longest: number;
  readonly p99: number;
  readonly lost: number;
}

async function whileNeighboursChange(
  peer: Peer,
  client: Found,
  { turns, address }: { readonly turns: Turns; readonly address: string },
): Promise<Silence> {
  // It goes before others in line for a core, in a session of its own: its own waiting is not the resolver's.
  const enter = ['setsid', '-w', ...within(client.pid), process.execPath, '--import', RAISED];
  const command = [...enter, SILENCE, address, 'server'];
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    await lines.next();
    const begin = performance.now();
    const { count, ms } = COUNTS.neighbours;
    for (let index = 0; index < count || performance.now() - begin < ms; index += 1) {
      turns.goOn();
      await start(peer, `neighbour${index}`, { network: NETWORK });
      await peer.api.remove(`neighbour${index}`);
    }
    const ended = once(child, 'exit');
    child.stdin.end();
    const seen = await lines.next();
    await ended;
    const { longest, p99, lost } = JSON.parse(String(seen.value)) as Partial<Silence>;
    if (longest === undefined || p99 === undefined || lost === undefined) throw new Error('no query was answered');
    return { longest, p99, lost };
  } finally {
    await stopChild(child);
  }
}
