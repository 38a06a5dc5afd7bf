// A cluster without containers: so many nodes, each with its own connection to a real etcd and all that a daemon does there.
import { readFileSync } from 'node:fs';
import { type EtcdMember, TestEtcd } from '../../test/support/etcd.ts';
import { median, ms, quantile, type Row } from '../stats.ts';
import { type NodeView, networksOf, type Orders } from './orders.ts';
import { Nodes } from './processes.ts';

export interface SimulationSize {
  readonly nodes: number;
  /** Of each node. */
  readonly endpoints: number;
  readonly networks: number;
  readonly processes: number;
  /** Joins whose news is timed. */
  readonly late: number;
}

/** A node's presence without renewal. */
const PRESENCE_MS = 10_000;
const JOINS_AT_ONCE = 4;

export async function simulation(size: SimulationSize): Promise<Row[]> {
  await using etcd = await TestEtcd.start(1, { flags: ['--quota-backend-bytes', String(2 ** 31)] });
  const processes = Array.from({ length: size.processes }, () => new Nodes());
  try {
    return await measure(size, processes, etcd);
  } finally {
    for (const one of processes) one.end();
  }
}

async function measure(size: SimulationSize, processes: readonly Nodes[], etcd: TestEtcd): Promise<Row[]> {
  const all = <Order extends keyof Orders>(order: Order, asked: Parameters<Orders[Order]>[0]) =>
    Promise.all(processes.map((one) => one.ask(order, asked)));
  const home = (node: number): Nodes => processes[node % processes.length] as Nodes;
  const numbers = Array.from({ length: size.nodes }, (_, node) => node);
  const { endpoints } = etcd;
  const started = await timed(() =>
    Promise.all(
      processes.map((one, at) =>
        one.ask('start', {
          endpoints,
          prefix: 'simulation',
          nodes: numbers.filter((node) => node % processes.length === at),
        }),
      ),
    ),
  );
  console.error(`  ${size.nodes} nodes after ${started.toFixed(0)} ms`);
  await processes[0]?.ask('createNetworks', { count: size.networks });
  const joins: number[] = [];
  const joined = await timed(async () => {
    const asked = { networks: size.networks, endpoints: size.endpoints, atOnce: JOINS_AT_ONCE };
    for (const taken of await all('join', asked)) joins.push(...taken);
  });
  console.error(`  ${joins.length} joins after ${joined.toFixed(0)} ms`);
  const converged = await timed(() => untilAllKnow(size, async () => (await all('known', null)).flat()));
  const late: number[] = [];
  const last: number[] = [];
  for (let index = 0; index < size.late; index += 1) {
    const node = (index * 7) % size.nodes;
    const [network = 0] = networksOf(node, size.networks);
    const name = `late-${index}`;
    const asked = await home(node).ask('joinOne', { node, network, name });
    const delays = (await all('heard', { node, network, name })).flat().map((heard) => heard - asked);
    late.push(...delays);
    last.push(Math.max(...delays));
  }
  const used = await memoryOf(await all('memory', null), etcd);
  const dying = 0;
  const [network = 0] = networksOf(dying, size.networks);
  const dropped = performance.timeOrigin + performance.now();
  await home(dying).ask('drop', { node: dying });
  const dead = (await all('heardDead', { node: dying, network })).flat().map((heard) => heard - dropped);
  await all('stop', null);
  const label = `${size.nodes} nodes × ${size.endpoints} endpoints on ${size.networks} networks`;
  return [
    { what: `${label}: all nodes take part after`, value: seconds(started) },
    {
      what: `${label}: joins, ${JOINS_AT_ONCE * processes.length} at once`,
      value: `${Math.round((joins.length * 1000) / joined)}/s, ${ms(joins)}`,
    },
    {
      what: `${label}: everybody knows everything on its networks`,
      value: `${seconds(converged)} after the last join`,
    },
    {
      what: `${label}: one more endpoint, from being asked for until a node of its network hears of it`,
      value: ms(late),
      baseline: `until the last of them: ${ms(last)}`,
      target: 'median ≤ 30 ms, p99 ≤ 100 ms',
    },
    {
      what: `${label}: a node that dies, until others know`,
      value: `${seconds(median(dead))} (last ${seconds(quantile(dead, 1))})`,
      baseline: `its presence lasts ${PRESENCE_MS / 1000} s`,
    },
    ...used,
  ];
}

/** Throws when somebody knows what is not, or two have one address. */
async function untilAllKnow(size: SimulationSize, ask: () => Promise<readonly NodeView[]>): Promise<void> {
  const end = Date.now() + 120_000;
  for (;;) {
    const views = await ask();
    const addresses = views.flatMap(({ own }) => own);
    if (new Set(addresses).size !== addresses.length) throw new Error('an address was given twice');
    const wrong = views.find((view) => !knowsAll(view, size, views));
    if (wrong === undefined) return;
    if (Date.now() > end)
      throw new Error(`node ${wrong.node} does not know what it should: ${JSON.stringify(wrong.others)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function knowsAll(
  { node, others }: NodeView,
  { networks, endpoints }: SimulationSize,
  views: readonly NodeView[],
): boolean {
  const own = networksOf(node, networks);
  return own.every((network, at) => {
    const here = views.filter((one) => one.node !== node && one.node % blocks(networks) === node % blocks(networks));
    const each = Math.floor(endpoints / own.length) + (at < endpoints % own.length ? 1 : 0);
    return others[network] === here.length * each;
  });
}

function blocks(networks: number): number {
  return Math.max(1, Math.floor(networks / networksOf(0, networks).length));
}

async function memoryOf(
  processes: readonly { readonly bytes: number; readonly nodes: number }[],
  etcd: TestEtcd,
): Promise<Row[]> {
  const bytes = processes.reduce((sum, one) => sum + one.bytes, 0);
  const nodes = processes.reduce((sum, one) => sum + one.nodes, 0);
  const member = etcd.members[0] as EtcdMember;
  const { dbSize } = await member.status();
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${member.pid}/status`, 'utf8'))?.[1];
  return [
    {
      what: 'memory of a simulated node (its part of a process)',
      value: `${(bytes / nodes / 2 ** 20).toFixed(2)} MiB`,
    },
    {
      what: 'etcd with all of that',
      value: `${Math.round(Number(resident) / 1024)} MiB resident, ${Math.round(Number(dbSize) / 2 ** 20)} MiB database`,
    },
  ];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function seconds(value: number): string {
  return `${(value / 1000).toFixed(1)} s`;
}
