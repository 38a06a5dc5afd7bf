import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  ContainerdFaults,
  Daemon,
  type Engine,
  eventually,
  type Fault,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

// Each call of containerd (a real one) fails, or is done without an answer, or is the last thing a killed daemon asked for.
// FAIRWAY_SHARE=1 tries all of them; else one of so many, FAIRWAY_SEED says which.
const SHARE = Number(process.env.FAIRWAY_SHARE ?? 7);
const SEED = Number(process.env.FAIRWAY_SEED ?? 1);

let engine: Engine;
let faults: ContainerdFaults;
let clean: Snapshot;
let known: string;

const words = (line: string): string[] => line.split(' ');
const docker = (line: string): Promise<string> => engine.docker(...words(line));

before(async () => {
  engine = await startEngine({
    // A first daemon leaves its containerd to the one under test, who meets it through the faults.
    prepare: async (host) => {
      const first = await Daemon.start(host);
      faults = await ContainerdFaults.start(host);
      await first.stop();
    },
    args: ['--containerd', ContainerdFaults.SOCKET],
  });
  await docker('network create net');
  await docker('run --rm --network net busybox true');
  clean = await snapshot(engine.host);
  known = await records();
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
  await faults?.[Symbol.asyncDispose]();
});

/** What containerd itself knows. */
async function records(): Promise<string> {
  const ctr = 'ctr -a /run/fairway/containerd/containerd.sock -n fairway';
  const lists = ['containers ls -q', 'tasks ls -q', 'snapshots ls', 'leases ls -q'];
  return engine.host.ok(['sh', '-ec', lists.map((list) => `${ctr} ${list} | sort`).join('; ')]);
}

async function nothingIsLeft(what: string): Promise<void> {
  await assertUnchanged(engine.host, clean);
  await eventually(async () => assert.equal(await records(), known, what));
}

const CREATE = 'create --name box --network net -p 8080:80 busybox sleep 600';
const RUN = CREATE.replace('create', 'run -d');

interface Operation {
  readonly before?: string;
  readonly act: string;
  /** A failure leaves everything as it was before. */
  readonly leavesNothing?: boolean;
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  create: { act: CREATE, leavesNothing: true },
  start: { before: CREATE, act: 'start box', leavesNothing: true },
  exec: { before: RUN, act: 'exec box true' },
  stop: { before: RUN, act: 'stop -t 0 box' },
  'forced removal': { before: RUN, act: 'rm -f box' },
};

/** Whatever is there of it goes, and nothing stays. */
async function remove(what: string): Promise<void> {
  const removed = await engine.docker.run(words('rm -f box'));
  if (removed.code !== 0) assert.match(removed.stderr, /No such container/, what);
  await nothingIsLeft(what);
}

const counted = new Map<string, number>();

/** How many calls it takes. */
async function callsOf({ before: first, act }: Operation): Promise<number> {
  const before = counted.get(act);
  if (before !== undefined) return before;
  if (first !== undefined) await docker(first);
  faults.arm();
  await docker(act);
  const { count } = faults.disarm();
  await remove(act);
  counted.set(act, count);
  return count;
}

async function restart(): Promise<void> {
  await engine.daemon.killHard();
  await engine.daemon.start();
}

/** Those whose turn it is: every SHARE-th of all. */
function chosen(calls: number, offset: number): readonly Pick<Fault, 'at' | 'how'>[] {
  const all = Array.from({ length: calls }, (_, at) => [{ at, how: 'refused' } as const, { at, how: 'lost' } as const]);
  return all.flat().filter((_, index) => (index + offset + SEED) % SHARE === 0);
}

describe('a containerd that fails', { timeout: 1_800_000 }, () => {
  let offset = 0;
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    test(`at any call of ${name}: it can be tried again, and nothing is left`, async (t) => {
      const calls = await callsOf(operation);
      assert.ok(calls > 0);
      const tried: string[] = [];
      for (const fault of chosen(calls, offset)) {
        if (operation.before !== undefined) await docker(operation.before);
        const found = operation.leavesNothing === true ? await snapshot(engine.host) : undefined;
        faults.arm(fault);
        const first = await engine.docker.run(words(operation.act));
        const what = `${faults.disarm().struck} ${fault.how}`;
        tried.push(`${what}${first.code === 0 ? ' (done all the same)' : ''}`);
        if (first.code !== 0) {
          // Whoever has its streams already only sees them end.
          if (name !== 'exec') assert.match(first.stderr, /spoilt by the test/, what);
          if (found !== undefined) await assertUnchanged(engine.host, found);
          if (name !== 'forced removal') await docker(operation.act);
        }
        await remove(what);
      }
      offset += 2 * calls;
      t.diagnostic(`${calls} calls; ${tried.join(', ')}`);
    });
  }
});

describe('a daemon that is killed while it asks containerd', { timeout: 1_800_000 }, () => {
  let offset = 3;
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    test(`at any call of ${name}: the next one knows what is there, and nothing is left when it is removed`, async (t) => {
      if (name === 'create') {
        // A daemon that begins asks more: it has not read the image yet.
        await restart();
        counted.delete(operation.act);
      }
      const calls = await callsOf(operation);
      if (name === 'create') await restart();
      const tried: string[] = [];
      for (const fault of chosen(calls, offset)) {
        if (operation.before !== undefined) await docker(operation.before);
        faults.arm({ ...fault, meanwhile: () => engine.daemon.signal('SIGKILL') });
        await engine.docker.run(words(operation.act));
        const what = `killed at ${faults.disarm().struck}, ${fault.how}`;
        await restart();
        tried.push(what);
        const listed = await docker('ps -aq');
        if (name !== 'create' && name !== 'forced removal') assert.notEqual(listed, '', what);
        await remove(what);
      }
      offset += 2 * calls;
      t.diagnostic(`${calls} calls; ${tried.join(', ')}`);
    });
  }

  test('leaves one that works', async () => {
    await docker(RUN);
    await docker('exec box true');
    await remove('in the end');
    assert.equal((await engine.fairway.run(['verify'])).code, 0);
  });
});
