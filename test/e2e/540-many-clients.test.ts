import assert from 'node:assert/strict';
import { globalAgent } from 'node:http';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  RawApi,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

/** `npm run soak` sets larger ones. */
const CLIENTS = Number(process.env.FAIRWAY_SOAK_CLIENTS ?? 64);
const ROUNDS = Number(process.env.FAIRWAY_SOAK_ROUNDS ?? 2);

let engine: Engine;
let clean: Snapshot;
let descriptors: number;

before(async () => {
  // Room for a network for each client, and one more while the one before goes.
  engine = await startEngine({ args: ['--default-address-pool', 'base=10.64.0.0/12,size=24'] });
  clean = await snapshot(engine.host);
  descriptors = engine.daemon.openFiles();
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** Milliseconds of every call, by what it was. */
const times = new Map<string, number[]>();

class ApiClient {
  readonly #api = new RawApi(engine.daemon.socket);
  readonly #name: string;

  constructor(number: number) {
    this.#name = `client${number}`;
  }

  /** A network, a container that joins and leaves it, and everything found again as it was made. */
  async round(number: number): Promise<void> {
    const net = `${this.#name}-${number}`;
    const box = `${this.#name}-box`;
    const network = (await this.#call('create network', 'POST', '/networks/create', { Name: net })) as { Id: string };
    const container = (await this.#call('create container', 'POST', `/containers/create?name=${box}`, {
      Image: 'busybox',
      Cmd: ['true'],
    })) as { Id: string };
    const seen = (await this.#call('inspect network', 'GET', `/networks/${net}`)) as {
      Id: string;
      IPAM: { Config: unknown[] };
    };
    assert.equal(seen.Id, network.Id);
    assert.equal(seen.IPAM.Config.length, 1);
    await this.#call('connect', 'POST', `/networks/${net}/connect`, { Container: box });
    assert.deepEqual((await this.#networksOf(box)).sort(), ['bridge', net].sort());
    const listed = (await this.#call('list networks', 'GET', '/networks')) as { Name: string }[];
    assert.equal(listed.filter(({ Name }) => Name === net).length, 1);
    await this.#call('disconnect', 'POST', `/networks/${net}/disconnect`, { Container: container.Id });
    assert.deepEqual(await this.#networksOf(container.Id), ['bridge']);
    await this.#call('remove container', 'DELETE', `/containers/${box}`);
    await this.#call('remove network', 'DELETE', `/networks/${network.Id}`);
  }

  async #networksOf(ref: string): Promise<string[]> {
    const seen = (await this.#call('inspect container', 'GET', `/containers/${ref}/json`)) as {
      NetworkSettings: { Networks: object };
    };
    return Object.keys(seen.NetworkSettings.Networks);
  }

  async #call(what: string, method: string, path: string, body?: unknown): Promise<unknown> {
    const since = performance.now();
    const answer = await this.#api.call(method, path, body);
    times.set(what, [...(times.get(what) ?? []), performance.now() - since]);
    assert.ok(answer.status < 300, `${what} of ${this.#name}: ${answer.status} ${answer.message}`);
    return answer.body;
  }
}

describe(`${CLIENTS} clients of the API at once, ${ROUNDS} rounds each`, { timeout: 1_200_000 }, () => {
  test('find what they have made, lose nothing and leave nothing', async (t) => {
    const { docker, daemon, host } = engine;
    const clients = Array.from({ length: CLIENTS }, (_, number) => new ApiClient(number));
    await Promise.all(
      clients.map(async (client) => {
        for (let round = 0; round < ROUNDS; round += 1) await client.round(round);
      }),
    );
    for (const [what, all] of times) {
      const sorted = all.sort((a, b) => a - b);
      const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(0);
      t.diagnostic(
        `${what}: ${sorted.length} calls, median ${at(0.5)} ms, 95 % below ${at(0.95)} ms, longest ${at(1)} ms`,
      );
    }
    assert.equal(await docker('ps', '-aq'), '');
    assert.equal(await docker('network', 'ls', '-q', '--filter', 'type=custom'), '');
    await assertUnchanged(host, clean);
    // The connections that the clients have kept for later are theirs.
    globalAgent.destroy();
    await eventually(() => {
      assert.ok(daemon.openFiles() <= descriptors + 4, `${daemon.openFiles()} descriptors, ${descriptors} before`);
    });
    // Nor does the next daemon find anything of it.
    await daemon.killHard();
    await daemon.start();
    assert.equal((await engine.fairway.run(['verify'])).code, 0);
    assert.equal(await docker('network', 'ls', '-q', '--filter', 'type=custom'), '');
    await assertUnchanged(host, clean);
  });
});
