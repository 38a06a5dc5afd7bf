import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HandMadeBridge } from '../../test/support/hand-made.ts';
import { stopChild } from '../../test/support/lan.ts';
import { inOwnNamespaces, NetworkLab } from '../../test/support/network-lab.ts';
import { ok } from '../../test/support/run.ts';
import { type Id, parseCidr } from '../base/index.ts';

const FEW = 5;
const MANY = 100;
const CLIENT = fileURLToPath(new URL('../../bench/dns-client.ts', import.meta.url));
const ECHO = `const s = require('dgram').createSocket('udp4'); s.on('message', (m, p) => s.send(m, p.port, p.address)); s.bind(5300, '127.0.0.1', () => console.log('ready'))`;

interface Compared {
  readonly one: number;
  readonly other: number;
  readonly ratio: number;
}

/** Milliseconds of the one and the other, by turns; what comes first changes, and the first of each does not count. */
async function byTurns(rounds: number, one: () => Promise<number>, other: () => Promise<number>): Promise<Compared> {
  const [first, second]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round += 1) {
    const swapped = round % 2 === 1;
    const before = swapped ? await other() : await one();
    const after = swapped ? await one() : await other();
    if (round === 0) continue;
    first.push(swapped ? after : before);
    second.push(swapped ? before : after);
  }
  return beside(first, second);
}

/** The best of each: what comes on top is other work on the machine. */
function beside(ones: readonly number[], others: readonly number[]): Compared {
  const [one, other] = [Math.min(...ones), Math.min(...others)];
  return { one, other, ratio: one / other };
}

async function timed(work: () => unknown): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** Milliseconds of this thread's processor time: nobody else's work is in it, nor the deletion of links meanwhile. */
async function worked(work: () => unknown): Promise<number> {
  const before = process.threadCpuUsage();
  await work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

// Ratios within one run, of the best of several rounds by turns, so that a busy machine does little to them. The margins are several times
// what is usual: they are for a cost that grows with what is there already, or one that is of another order of magnitude.
if (inOwnNamespaces(import.meta.filename)) {
  describe('beside the bare kernel and beside itself', async () => {
    it('a network, an endpoint among many, ports, names and packets cost what they should', async (t) => {
      await using lab = await NetworkLab.start();
      const { networks, sandboxes } = lab.networking;
      using hand = new HandMadeBridge(lab.rtnl, lab.directory);
      const told = (what: string, measured: Compared, limit: number): void => {
        const numbers = `${measured.one.toPrecision(3)} beside ${measured.other.toPrecision(3)}`;
        t.diagnostic(`${what}: ${measured.ratio.toFixed(2)} (${numbers}), at most ${limit}`);
        assert.ok(
          measured.ratio <= limit,
          `${what}: ${measured.ratio.toFixed(2)} times, at most ${limit} (${numbers})`,
        );
      };

      told(
        'a network beside a bare bridge',
        await byTurns(
          9,
          async () => {
            const taken = await timed(() => networks.create({ name: 'fresh' }));
            await networks.remove('fresh');
            return taken;
          },
          async () => {
            const taken = await timed(() => {
              const { index } = lab.rtnl.links.createBridge({ name: 'bare0' });
              lab.rtnl.addresses.add(index, parseCidr('10.253.0.1/24'));
              lab.rtnl.links.set(index, { up: true });
            });
            lab.rtnl.links.delete('bare0');
            return taken;
          },
        ),
        25,
      );

      const { network } = await networks.create({ name: 'crowd' });
      const boxes: Id[] = [];
      const growTo = async (count: number): Promise<void> => {
        const made = Array.from({ length: count - boxes.length }, async (_, index) => {
          const box = await lab.sandbox();
          await lab.attach(box, 'crowd', `box${boxes.length + index}`);
          return box;
        });
        boxes.push(...(await Promise.all(made)));
      };
      const [spare, bare] = [await lab.sandbox(), hand.namespace()];
      const attach = async (): Promise<number> => {
        const taken = await worked(() => lab.attach(spare, 'crowd', 'spare'));
        await sandboxes.detach(spare, network.id);
        return taken;
      };
      const attachByHand = async (): Promise<number> => {
        let link = '';
        const taken = await worked(() => {
          link = hand.attach(bare);
        });
        hand.detach(link);
        return taken;
      };
      await growTo(FEW);
      const few = await byTurns(9, attach, attachByHand);
      told(`attach to ${FEW} endpoints beside by hand`, few, 40);
      await growTo(MANY);
      const many = await byTurns(9, attach, attachByHand);
      const grown = { one: many.ratio, other: few.ratio, ratio: many.ratio / few.ratio };
      told(`attach to ${MANY} endpoints beside ${FEW}, each beside by hand`, grown, 3);

      const [client, server] = boxes.slice(-2) as [Id, Id];
      const address = sandboxes.endpoints(server)[0]?.ipv4?.ip ?? '';
      const path = sandboxes.get(client)?.path ?? '';
      const [from, to] = [hand.namespace(), hand.namespace()];
      const [, far] = [hand.attach(from), hand.address(hand.attached)];
      hand.attach(to);
      const roundTrip = (namespace: string, peer: string) => async (): Promise<number> => {
        const report = await ok(['nsenter', `--net=${namespace}`, 'ping', '-q', '-c', '300', '-i', '0', peer]);
        return Number(/= [\d.]+\/([\d.]+)\//.exec(report)?.[1]) * 1000;
      };
      const trips = await byTurns(5, roundTrip(path, address), roundTrip(from, far));
      told('a packet there and back beside a hand-made pair', trips, 2);
      await ports(lab, told);
      await names(path, told);
    });
  });
}

type Told = (what: string, measured: Compared, limit: number) => void;

/** Processor time of ten ports with and without a thousand there; of a thousand beside a hundred. */
async function ports(lab: NetworkLab, told: Told): Promise<void> {
  const { networks, sandboxes } = lab.networking;
  const { network } = await networks.create({ name: 'ports' });
  const box = async (first: number, count: number): Promise<Id> =>
    lab.sandbox({
      ports: Array.from({ length: count }, (_, port) => ({ host: first + port, container: first + port })),
    });
  const publish = (id: Id) => async (): Promise<number> => {
    const taken = await worked(() => lab.attach(id, 'ports', id));
    await sandboxes.detach(id, network.id);
    return taken;
  };
  const [ten, hundred, thousand] = [await box(10_000, 10), await box(20_000, 100), await box(30_000, 1000)];
  const thousands: number[] = [];
  const hundreds: number[] = [];
  const withThousand = async (): Promise<number> => {
    hundreds.push(await publish(hundred)());
    thousands.push(await worked(() => lab.attach(thousand, 'ports', 'thousand')));
    const taken = await publish(ten)();
    await sandboxes.detach(thousand, network.id);
    return taken;
  };
  told('ten ports with a thousand there, beside none there', await byTurns(4, withThousand, publish(ten)), 5);
  told('a thousand ports beside a hundred', beside(thousands, hundreds), 25);
}

/** Processor time that an answer of our resolver costs, beside a program that sends each datagram back. */
async function names(path: string, told: Told): Promise<void> {
  const enter = ['nsenter', `--net=${path}`, process.execPath];
  const [program = '', ...args] = [...enter, '-e', ECHO];
  const echo: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    if (echo.stdout !== null) await once(echo.stdout, 'data');
    const each = (pid: number, address: string, port: string) => async (): Promise<number> => {
      const before = processorTime(pid);
      const { answered } = JSON.parse(await ok([...enter, CLIENT, address, 'box0', '200', '32', port]));
      return (processorTime(pid) - before) / answered;
    };
    const resolver = each(childWith('dns/serving/main'), '127.0.0.11', '53');
    const measured = await byTurns(3, resolver, each(echo.pid ?? 0, '127.0.0.1', '5300'));
    told('microseconds of processor for an answer, beside an echo', measured, 3);
  } finally {
    await stopChild(echo);
  }
}

/** Microseconds that a process has had. */
function processorTime(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000;
}

function childWith(words: string): number {
  const tasks = readdirSync(`/proc/${process.pid}/task`);
  const children = tasks.flatMap((task) =>
    readFileSync(`/proc/${process.pid}/task/${task}/children`, 'utf8').split(' '),
  );
  const found = children.find((pid) => pid !== '' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(words));
  assert.ok(found, `no process of ${words}`);
  return Number(found);
}
