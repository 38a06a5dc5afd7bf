import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  assertUnchanged,
  type Engine,
  eventually,
  NameProbe,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

const OLD = ['old1', 'old2', 'old3', 'old4'];
const NEW = ['new1', 'new2', 'new3', 'new4'];

let engine: Engine;
let clean: Snapshot;
let asker: string;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
  const { docker } = engine;
  await docker('network', 'create', 'net');
  await docker('run', '-d', '--name', 'asker', '--network', 'net', 'busybox', 'sleep', '600');
  asker = await docker('inspect', '-f', '{{.State.Pid}}', 'asker');
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const start = (name: string) =>
  engine.docker.run(['run', '-d', '--name', name, '--network', 'net', 'busybox', 'sleep', '600']);

/** The addresses that the API has, by name, of all that run. */
async function addresses(): Promise<Map<string, string>> {
  const { docker } = engine;
  const running = (await docker('ps', '--format', '{{.Names}}')).split('\n').filter((name) => name !== '');
  const found = await Promise.all(
    running.map(
      async (name): Promise<[string, string]> => [
        name,
        await docker('inspect', '-f', '{{.NetworkSettings.Networks.net.IPAddress}}', name),
      ],
    ),
  );
  return new Map(found);
}

/** What the resolver says, `NXDOMAIN` or an address, for all of these names. */
async function resolved(names: readonly string[]): Promise<Map<string, string>> {
  await using probe = await NameProbe.start(asker, names, 5);
  const { answers, unanswered } = await probe.stop();
  assert.deepEqual(unanswered, []);
  return new Map(
    names.map((name) => {
      const said = Object.keys(answers[name] ?? {});
      assert.equal(said.length, 1, `${name}: ${said.join(', ')}`);
      return [name, said[0] === '3' ? 'NXDOMAIN' : (said[0] ?? '').replace(/^0 /, '')];
    }),
  );
}

describe('a daemon killed while containers start and end', () => {
  // The moments are spread over the length of the work; where exactly each falls does not matter to what must hold after it.
  for (const afterMs of [40, 120, 240]) {
    test(`${afterMs} ms into it, leaves no name that differs from the API, and none of what is gone`, async () => {
      const { docker, daemon } = engine;
      await Promise.all(OLD.map(start));
      const work = [...NEW.map(start), ...OLD.map((name) => docker.run(['rm', '-f', name]))];
      await sleep(afterMs);
      await daemon.killHard();
      await Promise.all(work);
      await daemon.start();
      const known = await addresses();
      const wanted = new Map([...OLD, ...NEW].map((name) => [name, known.get(name) ?? 'NXDOMAIN']));
      assert.deepEqual(await resolved([...OLD, ...NEW]), wanted);
      for (const [name, ip] of known) {
        const hosts = await docker('exec', name, 'cat', '/etc/hosts');
        assert.match(hosts, new RegExp(`^${ip.replaceAll('.', '\\.')}\\t`, 'm'), name);
        assert.match(await docker('exec', name, 'ip', 'addr'), new RegExp(`inet ${ip}/`), name);
      }
      // Names go at once with their containers, and come with new ones.
      await Promise.all([...OLD, ...NEW].map((name) => docker.run(['rm', '-f', name])));
      assert.deepEqual(new Set((await resolved([...OLD, ...NEW])).values()), new Set(['NXDOMAIN']));
      await eventually(async () => assert.equal(await docker('ps', '-a', '--format', '{{.Names}}'), 'asker'));
    });
  }

  test('leaves nothing', async () => {
    const { docker, host } = engine;
    await docker('rm', '-f', 'asker');
    await docker('network', 'rm', 'net');
    await assertUnchanged(host, clean);
  });
});
