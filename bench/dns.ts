import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Engine, ok } from '../test/support/index.ts';
import { stopChild } from '../test/support/lan.ts';
import type { Api } from './api.ts';
import type { Row } from './stats.ts';

const CLIENT = fileURLToPath(new URL('dns-client.ts', import.meta.url));
/** In a container nobody has port 53 there. */
export const ECHO_ADDRESS = '127.0.0.1';
const ECHO = `const s = require('dgram').createSocket('udp4'); s.on('message', (m, p) => s.send(m, p.port, p.address)); s.bind(53, '${ECHO_ADDRESS}', () => console.log(process.pid))`;
const NOERROR = 0;
const NXDOMAIN = 3;
const WINDOW = '32';

interface Measured {
  readonly rate: number;
  readonly median: number;
  readonly p99: number;
  readonly answered: number;
  /** How many answers had which code. */
  readonly codes: readonly (readonly [number, number])[];
  /** Processor time that the server took for each answer, microseconds. */
  readonly cost: number;
}

interface Asked {
  readonly name: string;
  readonly ms?: number;
  readonly address?: string;
  readonly port?: number;
  readonly type?: string;
  /** What the answers must say. */
  readonly code?: number;
}

export async function dns(api: Api, engine: Engine): Promise<Row[]> {
  await api.call('POST', '/networks/create', { Name: 'bench' });
  await api.call('POST', '/networks/create', { Name: 'inner', Internal: true });
  await api.run('server', 'bench');
  await api.run('apart', 'inner');
  const server = await addressOf(api, 'server', 'bench');
  // The client goes before others in line for a core, in a session of its own as the resolver is: its own waiting is not
  // the resolver's latency.
  const enter = (pid: number): string[] => ['setsid', '-w', 'nsenter', `--net=/proc/${pid}/ns/net`, process.execPath];
  const client = enter(await api.run('client', 'bench'));
  const inner = enter(await api.run('insider', 'inner'));

  const echo = await startEcho(client);
  let raw: Measured;
  try {
    raw = await measure(client, echo.pid, { address: ECHO_ADDRESS, name: 'server', ms: 2000 });
  } finally {
    await echo.end();
  }

  const resolver = resolverOf(engine.daemon.pid);
  const quiet = await measure(client, resolver, { name: 'server', ms: 4000 });
  const reverse = server.split('.').reverse().join('.');
  const pointer = await measure(client, resolver, { name: `${reverse}.in-addr.arpa`, type: 'PTR' });
  const miss = await measure(inner, resolver, { name: 'nobody', code: NXDOMAIN });
  const cached = await measure(client, resolver, { name: 'one.lan.test' });
  const forwarded = await measure(client, resolver, { name: '*.lan.test' });
  let busy = true;
  let made = 0;
  const churn = (async () => {
    while (busy) {
      await api.run(`churn${made}`, 'bench');
      await api.remove(`churn${made}`);
      made += 1;
    }
  })();
  const loaded = await measure(client, resolver, { name: 'server', ms: 4000 });
  busy = false;
  await churn;
  for (const name of ['server', 'client', 'apart', 'insider']) await api.remove(name);
  for (const name of ['bench', 'inner']) await api.call('DELETE', `/networks/${name}`);
  const target = '≥ 100 000/s per core, p99 ≤ 1 ms';
  return [
    { what: 'DNS, a container’s name', value: show(quiet), baseline: `UDP echo by Node: ${show(raw)}`, target },
    { what: 'DNS, PTR', value: show(pointer), target },
    { what: 'DNS, a name that nobody has, in an internal network', value: show(miss), target },
    { what: 'DNS, a name of outside, remembered', value: show(cached), target },
    { what: 'DNS, names of outside, each asked of the host’s server (a resolver in Node)', value: show(forwarded) },
    { what: `DNS while containers are created (${made} in 4 s)`, value: show(loaded), target },
  ];
}

/**
 * A program that gives every datagram back, scheduled as the resolver is: what is left of a latency with nothing to do. `enter` ends
 * with the program to run, in a session of its own.
 */
export async function startEcho(enter: readonly string[]): Promise<{ readonly pid: number; end(): Promise<void> }> {
  const [program = '', ...args] = [...enter, '--import', RAISED, '-e', ECHO];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = await once(child.stdout, 'data');
  const pid = Number(said);
  return {
    pid,
    end: async () => {
      process.kill(pid, 'SIGKILL');
      await stopChild(child);
    },
  };
}

function show({ rate, p99, cost }: Measured): string {
  const perCore = Math.round(1000 / cost);
  return `${Math.round(rate)}/s, p99 ${p99.toFixed(2)} ms; ${cost.toFixed(1)} µs of processor each (${perCore} 000/s per core)`;
}

async function measure(enter: readonly string[], serverPid: number, asked: Asked): Promise<Measured> {
  const { name, ms = 2000, address = '127.0.0.11', port = 53, type = 'A', code = NOERROR } = asked;
  const before = processorTime(serverPid);
  const output = await ok([
    ...enter,
    '--import',
    RAISED,
    CLIENT,
    address,
    name,
    String(ms),
    WINDOW,
    String(port),
    type,
  ]);
  const measured = JSON.parse(output) as Omit<Measured, 'cost'>;
  const wrong = measured.codes.filter(([said]) => said !== code);
  // The echo gives the question back as it is.
  if (wrong.length > 0) throw new Error(`answers for ${name}: ${JSON.stringify(measured.codes)}`);
  return { ...measured, cost: ((processorTime(serverPid) - before) * 1000) / measured.answered };
}

/** What a program of ours loads first to be scheduled as the resolver is. */
export const RAISED = `data:text/javascript,${encodeURIComponent(`
import { raisePriority } from '${new URL('../src/kernel/index.ts', import.meta.url).href}';
raisePriority(-15);`)}`;

/** Milliseconds of processor time that a process has taken. */
function processorTime(pid: number): number {
  const text = readFileSync(`/proc/${pid}/schedstat`, 'utf8');
  return Number(text.split(' ')[0]) / 1e6;
}

function resolverOf(daemonPid: number): number {
  return processWith('dns/serving/main', daemonPid);
}

function processWith(words: string, parent?: number): number {
  const found = readdirSync('/proc').find((pid) => {
    try {
      if (!/^\d+$/.test(pid) || !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(words)) return false;
      if (readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('setsid')) return false;
      return (
        parent === undefined ||
        readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(parent)
      );
    } catch {
      // It ended while we looked.
      return false;
    }
  });
  if (found === undefined) throw new Error(`no process of ${words}`);
  return Number(found);
}

async function addressOf(api: Api, container: string, network: string): Promise<string> {
  const view = (await api.call('GET', `/containers/${container}/json`)) as {
    NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
  };
  return view.NetworkSettings.Networks[network]?.IPAddress ?? '';
}
