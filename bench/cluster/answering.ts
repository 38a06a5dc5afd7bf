import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Engine, eventually, startEngine, TestEtcd, TestLan } from '../../test/support/index.ts';
import { Api } from '../api.ts';
import { ms, type Row } from '../stats.ts';
import { machineNow } from './orders.ts';
import { Nodes } from './processes.ts';

const NETWORK = 'net-0';
const PREFIX = 'answering';
/** Of each simulated node. */
const ENDPOINTS = 10;
const ROUNDS = 30;

/** How soon a container that starts on one host is answered by name on another, beside so many simulated hosts. */
export async function answering(simulated: number): Promise<Row[]> {
  await using lan = await TestLan.start();
  const endpoint = '10.99.0.1:2379';
  const args = [`--cluster-store=etcd://${endpoint}/${PREFIX}`, '--cluster-advertise=eth0'];
  await using a = await startEngine({ lan, args });
  await using b = await startEngine({ lan, args });
  const { host } = a;
  await using _etcd = await TestEtcd.start([{ address: host.address, inside: (command) => host.inside(command) }]);
  const create = ['network', 'create', '-d', 'overlay', '--subnet', '10.200.0.0/16', NETWORK];
  await eventually(() => a.docker(...create));
  await eventually(() => b.docker('network', 'inspect', NETWORK));
  const nodes = new Nodes((command) => host.inside(command));
  const apis = [new Api(a.daemon.socket), new Api(b.daemon.socket)] as const;
  try {
    await nodes.ask('start', {
      ...{ endpoints: [endpoint], prefix: PREFIX },
      nodes: Array.from({ length: simulated }, (_, node) => node),
    });
    await nodes.ask('join', { networks: 1, endpoints: ENDPOINTS, atOnce: 4 });
    const row = await measure(apis, b);
    await nodes.ask('stop', null);
    return row.map(({ what, ...rest }) => ({ what: `${what}, ${simulated} simulated hosts beside`, ...rest }));
  } finally {
    nodes.end();
    for (const api of apis) api.close();
  }
}

async function measure([a, b]: readonly [Api, Api], other: Engine): Promise<Row[]> {
  using asker = new Asker(other, await b.run('asker', NETWORK));
  const started: number[] = [];
  const joined: number[] = [];
  await a.run('guest', 'bridge');
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `start-${round}`;
    await a.create(name, NETWORK);
    const answered = asker.ask(name);
    await a.call('POST', `/containers/${name}/start`);
    const returned = machineNow();
    started.push(Math.max(0, (await answered) - returned));
    await a.remove(name);
    const alias = `alias-${round}`;
    const answeredAlias = asker.ask(alias);
    const asked = machineNow();
    const body = { Container: 'guest', EndpointConfig: { Aliases: [alias] } };
    await a.call('POST', `/networks/${NETWORK}/connect`, body);
    joined.push((await answeredAlias) - asked);
    await a.call('POST', `/networks/${NETWORK}/disconnect`, { Container: 'guest' });
  }
  return [
    {
      what: 'from the answer to a container’s start until another host answers its name',
      value: ms(started),
      baseline: `from the request to connect a running one: ${ms(joined)}`,
      target: 'median ≤ 30 ms, p99 ≤ 100 ms',
    },
  ];
}

class Asker implements Disposable {
  readonly #child: ChildProcess;
  readonly #answers = new Map<string, (at: number) => void>();
  readonly #ended: Promise<never>;

  constructor({ host }: Engine, pid: number) {
    const script = fileURLToPath(new URL('asker.ts', import.meta.url));
    const [program = '', ...args] = host.inside([
      'nsenter',
      `--net=/proc/${pid}/ns/net`,
      '--',
      process.execPath,
      script,
    ]);
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = once(this.#child, 'exit').then(() => {
      throw new Error('the asker ended');
    });
    // It ends in the end; whoever waits for an answer hears of it all the same.
    this.#ended.catch(() => {});
    if (this.#child.stdout === null) throw new Error('no stdout');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { name, at } = JSON.parse(line) as { readonly name: string; readonly at: number };
      this.#answers.get(name)?.(at);
    });
  }

  /** When the name was answered. */
  async ask(name: string): Promise<number> {
    const answered = new Promise<number>((resolve) => this.#answers.set(name, resolve));
    this.#child.stdin?.write(`${name}\n`);
    return await Promise.race([answered, this.#ended]);
  }

  [Symbol.dispose](): void {
    this.#child.stdin?.end();
  }
}
