import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inOwnNamespaces, NetworkLab } from '../../test/support/network-lab.ts';
import { type Id, newId, parseCidr, parseIp } from '../base/index.ts';
import { Prober, unexpected } from './testing/reachability.ts';

// FAIRWAY_LOAD=10 is the long version: 1000 endpoints, 100 networks, 2000 published ports.
const SCALE = Number(process.env.FAIRWAY_LOAD ?? 1);
const NETWORKS = 10 * SCALE;
const BOXES = 100 * SCALE;
const PORTS = 200 * SCALE;
const PARALLEL = 64;
const LOOPBACK = parseIp('127.0.0.1');

/** Runs them with so many at once; milliseconds that each took, in order of size. */
async function inParallel(count: number, work: (index: number) => Promise<unknown>): Promise<readonly number[]> {
  const took: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const start = performance.now();
      await work(index);
      took.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, count) }, worker));
  return took.sort((a, b) => a - b);
}

function summary(took: readonly number[]): string {
  const at = (share: number): string => (took[Math.floor(took.length * share)] ?? took.at(-1) ?? 0).toFixed(1);
  return `${took.length} calls, ${PARALLEL} at once: median ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

if (inOwnNamespaces(import.meta.filename)) {
  describe(`${BOXES} endpoints on ${NETWORKS} networks with ${PORTS} published ports`, () => {
    it('are made and taken away side by side, with nothing lost and nothing left', async (t) => {
      await using lab = await NetworkLab.start();
      const { networks, sandboxes } = lab.networking;
      const before = lab.links();
      const told = (what: string, took: readonly number[]): void => t.diagnostic(`${what}: ${summary(took)}`);
      const boxes: Id[] = Array.from({ length: BOXES }, () => newId());
      const perBox = PORTS / BOXES;
      told(
        'create a network',
        await inParallel(NETWORKS, (n) =>
          networks.create({ name: `net${n}`, ipam: { pools: [{ subnet: parseCidr(`10.${n}.0.0/20`) }] } }),
        ),
      );
      told(
        'open a sandbox',
        await inParallel(BOXES, (n) =>
          sandboxes.open({
            ...{ id: boxes[n] as Id, ownerId: newId(), host: false, exposed: [], publishAll: false, sysctls: {} },
            ports: Array.from({ length: perBox }, (_, index) => {
              const port = 20_000 + n * perBox + index;
              return { protocol: 'udp' as const, containerPort: 9999 + index, hostPorts: { first: port, last: port } };
            }),
            dns: { servers: [], search: [], options: [] },
          }),
        ),
      );
      told(
        'attach and publish',
        await inParallel(BOXES, (n) => lab.attach(boxes[n] as Id, `net${n % NETWORKS}`, `box${n}`)),
      );
      assert.deepEqual(await lab.networking.reconciler(() => undefined).verify(), []);

      // The last of each network answers its neighbour, the host's port leads to it, and nobody of another network hears it.
      await using stack = new AsyncDisposableStack();
      const host = stack.use(await Prober.open());
      const proberOf = async (n: number): Promise<Prober> =>
        stack.use(await Prober.open(sandboxes.get(boxes[n] as Id)?.path));
      const [last, neighbour, stranger] = [BOXES - 1, BOXES - 1 - NETWORKS, BOXES - 2];
      const [asked, near, far] = [await proberOf(last), await proberOf(neighbour), await proberOf(stranger)];
      assert.ok(asked);
      const ip = sandboxes.endpoints(boxes[last] as Id)[0]?.ipv4?.ip;
      assert.ok(ip);
      const port = 20_000 + last * perBox;
      assert.deepEqual(
        await unexpected([
          { name: 'neighbour', from: near, to: { ip }, expected: true },
          { name: 'stranger', from: far, to: { ip }, expected: false },
          { name: 'published port', from: host, to: { ip: LOOPBACK, port }, expected: true },
        ]),
        [],
      );
      await stack.disposeAsync();

      const start = performance.now();
      await lab.stop();
      await using again = await NetworkLab.start({ store: lab.store }, lab.directory);
      t.diagnostic(`a daemon that takes over is ready after ${Math.round(performance.now() - start)} ms`);
      assert.deepEqual(await again.networking.reconciler(() => undefined).verify(), []);
      const over = again.networking;
      told('close a sandbox', await inParallel(BOXES, (n) => over.sandboxes.close(boxes[n] as Id)));
      told('remove a network', await inParallel(NETWORKS, (n) => over.networks.remove(`net${n}`)));
      assert.deepEqual(await over.reconciler(() => undefined).verify(), []);
      await again.stop();
      await using clean = await NetworkLab.start({ store: lab.store }, lab.directory);
      assert.deepEqual(clean.links(), before);
    });
  });
}
