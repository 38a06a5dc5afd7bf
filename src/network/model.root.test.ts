import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { inOwnNamespaces, NetworkLab } from '../../test/support/network-lab.ts';
import { type Id, type Ip, newId } from '../base/index.ts';
import { type Probe, Prober, unexpected } from './testing/reachability.ts';

// Random sequences of what users do, against a model of who may reach whom; measured with packets after every few steps.
// FAIRWAY_SEED and FAIRWAY_RUNS repeat a run, or make it longer.

const SEED = Number(process.env.FAIRWAY_SEED ?? 20_260_101);
const RUNS = Number(process.env.FAIRWAY_RUNS ?? 6);
const LOOPBACK = '127.0.0.1' as Ip;
const KINDS = {
  open: {},
  second: {},
  closed: { options: { 'com.docker.network.bridge.enable_icc': 'false' } },
  internal: { internal: true },
} as const;
type Kind = keyof typeof KINDS;
const KIND_NAMES = Object.keys(KINDS) as Kind[];
const BOXES = [0, 1, 2, 3];

const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('create' as const), network: fc.constantFrom(...KIND_NAMES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), network: fc.constantFrom(...KIND_NAMES) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('start' as const), box: fc.constantFrom(...BOXES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), box: fc.constantFrom(...BOXES) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('connect' as const),
      box: fc.constantFrom(...BOXES),
      network: fc.constantFrom(...KIND_NAMES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('disconnect' as const),
      box: fc.constantFrom(...BOXES),
      network: fc.constantFrom(...KIND_NAMES),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart the daemon' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('measure' as const) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** Where every sequence begins: all networks, and three boxes on most of them. */
const FURNITURE: readonly Action[] = [
  ...KIND_NAMES.map((network) => ({ do: 'create', network }) as const),
  ...[0, 1, 2].map((box) => ({ do: 'start', box }) as const),
  ...[0, 1, 2].flatMap((box) =>
    KIND_NAMES.filter((_, index) => index !== box).map((network) => ({ do: 'connect', box, network }) as const),
  ),
];

interface Box {
  readonly id: Id;
  readonly prober: Prober;
  readonly addresses: Map<Kind, Ip>;
}

/** The system beside its model: which networks there are, and which box is on which with what address. */
class World implements AsyncDisposable {
  lab: NetworkLab;
  readonly networks = new Map<Kind, Id>();
  readonly boxes = new Map<number, Box>();
  /** How often something was measured, by kind and answer. */
  readonly measured = new Map<string, number>();
  readonly #host: Prober;

  private constructor(lab: NetworkLab, host: Prober) {
    this.lab = lab;
    this.#host = host;
  }

  static async open(): Promise<World> {
    return new World(await NetworkLab.start(), await Prober.open());
  }

  /** Does it, or sees it refused where the model says so. */
  async act(what: Action): Promise<void> {
    const { networks, sandboxes } = this.lab.networking;
    const box = 'box' in what ? this.boxes.get(what.box) : undefined;
    const network = 'network' in what ? this.networks.get(what.network) : undefined;
    switch (what.do) {
      case 'create': {
        const made = networks.create({ name: what.network, ...KINDS[what.network] });
        if (network !== undefined) return assert.rejects(made, /already exists/);
        this.networks.set(what.network, (await made).network.id);
        return;
      }
      case 'remove': {
        const removed = networks.remove(what.network);
        if (network === undefined) return assert.rejects(removed, /not found/);
        if ([...this.boxes.values()].some(({ addresses }) => addresses.has(what.network))) {
          return assert.rejects(removed, /has active endpoints/);
        }
        await removed;
        this.networks.delete(what.network);
        return;
      }
      case 'start':
        if (box === undefined) this.boxes.set(what.box, await this.#start(what.box));
        return;
      case 'stop':
        if (box === undefined) return;
        this.boxes.delete(what.box);
        await box.prober[Symbol.asyncDispose]();
        await sandboxes.close(box.id);
        return;
      case 'connect': {
        if (box === undefined) return;
        const joined = this.lab.attach(box.id, what.network, `box${what.box}`);
        if (network === undefined) return assert.rejects(joined, /not found/);
        if (box.addresses.has(what.network)) return assert.rejects(joined, /already exists in network/);
        box.addresses.set(what.network, (await joined).ipv4?.ip ?? LOOPBACK);
        return;
      }
      case 'disconnect':
        if (box === undefined || network === undefined) return;
        await sandboxes.detach(box.id, network);
        box.addresses.delete(what.network);
        return;
      case 'restart the daemon':
        await this.lab.stop();
        this.lab = await NetworkLab.start({ store: this.lab.store }, this.lab.directory);
        return;
      case 'measure':
        return this.measure();
    }
  }

  async measure(): Promise<void> {
    const probes = [...this.#probes()];
    assert.deepEqual(await unexpected(probes), []);
    for (const { kind, expected } of probes) {
      const name = `${kind} ${expected}`;
      this.measured.set(name, (this.measured.get(name) ?? 0) + 1);
    }
    assert.deepEqual(await this.lab.networking.reconciler(() => undefined).verify(), []);
  }

  /** Neighbours on an open network reach each other; a published port is reached when its box has a way out. */
  *#probes(): Generator<Probe & { readonly kind: Kind | 'port' }> {
    for (const [number, box] of this.boxes) {
      const out = [...box.addresses.keys()].some((kind) => kind !== 'internal');
      yield {
        ...{ kind: 'port', name: `host to the port of box${number}`, from: this.#host, expected: out },
        to: { ip: LOOPBACK, port: publishedPort(number) },
      };
      for (const [other, { prober, addresses }] of this.boxes) {
        if (other === number) continue;
        for (const [kind, ip] of box.addresses) {
          const expected = addresses.has(kind) && kind !== 'closed';
          yield { kind, name: `box${other} to box${number} on ${kind}`, from: prober, to: { ip }, expected };
        }
      }
    }
  }

  async #start(number: number): Promise<Box> {
    const id = newId();
    const { path } = await this.lab.networking.sandboxes.open({
      ...{ id, ownerId: newId(), host: false, exposed: [], publishAll: false, sysctls: {} },
      ports: [
        {
          protocol: 'udp',
          containerPort: 9999,
          hostPorts: { first: publishedPort(number), last: publishedPort(number) },
        },
      ],
      dns: { servers: [], search: [], options: [] },
    });
    return { id, prober: await Prober.open(path), addresses: new Map() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
    for (const { id, prober } of this.boxes.values()) {
      await prober[Symbol.asyncDispose]();
      await this.lab.networking.sandboxes.close(id);
    }
    for (const id of this.networks.values()) await this.lab.networking.networks.remove(id);
    const left = this.lab.links().filter((name) => name.startsWith('br-') || name.startsWith('veth'));
    await this.lab[Symbol.asyncDispose]();
    assert.deepEqual(left, [], 'links of ours are left');
  }
}

function publishedPort(box: number): number {
  return 9000 + box;
}

if (inOwnNamespaces(import.meta.filename)) {
  describe('any sequence of what users do', () => {
    it('lets those reach each other that the model says, and nobody else', async () => {
      const seen = new Map<string, number>();
      await fc.assert(
        fc.asyncProperty(fc.array(action, { minLength: 15, maxLength: 40 }), async (actions) => {
          await using world = await World.open();
          for (const what of [...FURNITURE, ...actions]) await world.act(what);
          await world.measure();
          for (const [name, count] of world.measured) seen.set(name, (seen.get(name) ?? 0) + count);
        }),
        { seed: SEED, numRuns: RUNS, endOnFailure: true },
      );
      // The sequences came to something: every kind of answer was measured.
      for (const kind of KIND_NAMES) assert.ok(seen.has(`${kind} ${kind !== 'closed'}`), kind);
      for (const reached of [true, false]) assert.ok(seen.has(`port ${reached}`), `port ${reached}`);
    });
  });
}
