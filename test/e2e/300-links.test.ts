import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, eventually, type Snapshot, snapshot, startEngine } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine({ args: ['--icc=false', '--ipv6', '--fixed-cidr-v6', 'fd17::/64'] });
  // The bridge gets its link-local address with its first port.
  await engine.docker('run', '--rm', 'busybox', 'true');
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const GREETING = ['sh', '-c', 'nc -ll -p 81 -e echo closed & exec nc -ll -p 80 -e echo open'];

/** What the server at that port says to a container; undefined when there is no way. */
async function ask(from: string, to: string, port: number, seconds = 10): Promise<string | undefined> {
  const result = await engine.docker.run(['exec', from, 'timeout', String(seconds), 'nc', to, String(port)]);
  return result.code === 0 ? result.stdout.trim() : undefined;
}

/** A listener comes up a moment after its container. */
const reaches = (from: string, to: string): Promise<void> =>
  eventually(async () => assert.equal(await ask(from, to, 80), 'open'));

describe('links on the default bridge without icc', () => {
  test('give names, environment, and a way to the exposed port alone, for the linked container alone', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'db', '-e', 'COLOUR=blue', '--expose', '80', 'busybox', ...GREETING);
    await docker('run', '-d', '--name', 'app', '--link', 'db:store', 'busybox', 'sleep', '600');
    await docker('run', '-d', '--name', 'stranger', 'busybox', 'sleep', '600');
    const ip = await docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'db');
    const id = await docker('inspect', '-f', '{{.Id}}', 'db');
    assert.match(
      await docker('exec', 'app', 'cat', '/etc/hosts'),
      new RegExp(`^${ip}\\tstore ${id.slice(0, 12)} db$`, 'm'),
    );
    const env = await docker('exec', 'app', 'sh', '-c', 'tr "\\0" "\\n" </proc/1/environ');
    for (const line of [`STORE_PORT=tcp://${ip}:80`, `STORE_PORT_80_TCP_ADDR=${ip}`, 'STORE_ENV_COLOUR=blue']) {
      assert.ok(env.split('\n').includes(line), line);
    }
    assert.match(env, /^STORE_NAME=\/app\/store$/m);
    await reaches('app', 'store');
    assert.equal(await ask('app', 'store', 81, 2), undefined);
    assert.equal(await ask('stranger', ip, 80, 2), undefined);
    await docker('rm', '-f', 'app', 'db', 'stranger');
    await assertUnchanged(engine.host, clean);
  });

  test('lead over IPv6 too, to the exposed port alone, for the linked container alone, and back', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'db', '--expose', '80', 'busybox', ...GREETING);
    await docker('run', '-d', '--name', 'app', '--link', 'db:store', 'busybox', 'sleep', '600');
    await docker('run', '-d', '--name', 'stranger', 'busybox', ...GREETING);
    const ip6 = await docker('inspect', '-f', '{{.NetworkSettings.GlobalIPv6Address}}', 'db');
    assert.match(await docker('exec', 'app', 'cat', '/etc/hosts'), new RegExp(`^${ip6}\tstore `, 'm'));
    // More than once: the host must not have taught it a way that is closed.
    for (let round = 0; round < 3; round += 1) await reaches('app', ip6);
    assert.equal(await ask('app', ip6, 81, 2), undefined);
    assert.equal(await ask('stranger', ip6, 80, 2), undefined);
    const other = await docker('inspect', '-f', '{{.NetworkSettings.GlobalIPv6Address}}', 'stranger');
    assert.equal(await ask('app', other, 80, 2), undefined);
    await docker('exec', 'app', 'ping', '-6', '-c', '1', '-W', '5', engine.host.address6);
    await docker('rm', '-f', 'app', 'db', 'stranger');
    await assertUnchanged(engine.host, clean);
  });

  test('follow the target to its new address, also over a restart of the daemon', async () => {
    const { docker, daemon } = engine;
    await docker('run', '-d', '--name', 'db', '--expose', '80', 'busybox', ...GREETING);
    await docker('run', '-d', '--name', 'app', '--link', 'db', 'busybox', 'sleep', '600');
    await reaches('app', 'db');
    const old = await docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'db');
    await docker('stop', '-t', '0', 'db');
    await docker('run', '-d', '--name', 'taker', '--expose', '80', 'busybox', ...GREETING);
    assert.equal(await docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'taker'), old);
    assert.equal(await ask('app', old, 80, 2), undefined);
    await docker('start', 'db');
    const now = await docker('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'db');
    assert.notEqual(now, old);
    await reaches('app', 'db');
    await daemon.killHard();
    await daemon.start();
    await reaches('app', 'db');
    assert.equal(await ask('app', old, 80, 2), undefined);
    await docker('rm', '-f', 'app', 'db', 'taker');
    await assertUnchanged(engine.host, clean);
  });

  test('to a container that does not run are refused', async () => {
    const { docker } = engine;
    await docker('create', '--name', 'db', 'busybox', 'sleep', '600');
    const refused = await docker.run(['run', '-d', '--name', 'app', '--link', 'db:store', 'busybox', 'sleep', '600']);
    assert.match(refused.stderr, /Cannot link to a non running container: \/db AS \/app\/store/);
    await docker('rm', '-f', 'app', 'db');
    await assertUnchanged(engine.host, clean);
  });
});

test('links on a network of one’s own are names that follow the target', async () => {
  const { docker } = engine;
  await docker('network', 'create', 'own');
  await docker('run', '-d', '--name', 'db', '--network', 'own', 'busybox', ...GREETING);
  await docker('run', '-d', '--name', 'app', '--network', 'own', '--link', 'db:store', 'busybox', 'sleep', '600');
  await reaches('app', 'store');
  assert.equal(await ask('app', 'store', 81), 'closed');
  await docker('stop', '-t', '0', 'db');
  await docker('run', '-d', '--name', 'taker', '--network', 'own', 'busybox', 'sleep', '600');
  await docker('start', 'db');
  await reaches('app', 'store');
  await docker('rm', '-f', 'app', 'db', 'taker');
  await docker('network', 'rm', 'own');
  await assertUnchanged(engine.host, clean);
});
