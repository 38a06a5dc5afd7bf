import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isKind, unavailable } from '../../base/index.ts';
import type { ConfiguredNetwork } from '../options.ts';
import { setUp, specOf, type TestSetup, until } from '../testing/index.ts';

const BRIDGE: readonly ConfiguredNetwork[] = [{ name: 'bridge', request: {} }];

async function started(setup: TestSetup, name: string, part: Parameters<typeof specOf>[0] = {}): Promise<string> {
  const { id } = await setup.parts.containers.create({ name, spec: specOf(part), networks: BRIDGE });
  await setup.parts.containers.start(id);
  return id;
}

function actions(setup: TestSetup): string[] {
  return setup.events.filter(({ type }) => type === 'container').map(({ action }) => action);
}

async function statusOf(setup: TestSetup, ref: string): Promise<string> {
  return (await setup.parts.containers.inspect(ref)).state.status;
}

function assertNothingLeft(setup: TestSetup): void {
  assert.equal(setup.network.open.size, 0, 'sandboxes');
  assert.equal(setup.containerd.tasks.size, 0, 'tasks');
}

describe('life of a container', () => {
  it('goes from created over running to exited and is gone after rm', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const id = await started(setup, 'web');
    const view = await containers.inspect('web');
    assert.equal(view.state.status, 'running');
    assert.equal(view.endpoints[0]?.ipv4?.ip, '172.17.0.2');
    assert.match(readFileSync(view.paths.hosts, 'utf8'), new RegExp(`172.17.0.2\\t${id.slice(0, 12)}\n`));
    const { exit } = await containers.wait('web', 'not-running');
    setup.containerd.exit(id, 3);
    assert.deepEqual(await exit, { exitCode: 3 });
    assert.equal(await statusOf(setup, 'web'), 'exited');
    assertNothingLeft(setup);
    await containers.remove('/web');
    await assert.rejects(containers.inspect('web'), { message: 'No such container: web' });
    assert.deepEqual(setup.images.rootfs, new Set());
    assert.deepEqual(readdirSync(join(setup.folder, 'data/containers')), []);
    assert.deepEqual(actions(setup), ['create', 'start', 'die', 'destroy']);
  });

  it('is found by its name, its id and a prefix of it', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const { id } = await containers.create({ name: 'abc', spec: specOf(), networks: BRIDGE });
    for (const ref of ['abc', '/abc', id, id.slice(0, 12)]) assert.equal((await containers.inspect(ref)).id, id);
  });

  it('keeps its name for itself', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const { id } = await containers.create({ name: 'one', spec: specOf(), networks: BRIDGE });
    await assert.rejects(containers.create({ name: 'one', spec: specOf(), networks: BRIDGE }), {
      message: `Conflict. The container name "/one" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
    });
    await containers.rename('one', 'two');
    await containers.create({ name: 'one', spec: specOf(), networks: BRIDGE });
    assert.equal((await containers.inspect('two')).id, id);
  });

  it('gets a name of two words when none is given', async () => {
    await using setup = await setUp();
    const { id } = await setup.parts.containers.create({ spec: specOf(), networks: BRIDGE });
    assert.match((await setup.parts.containers.inspect(id)).name, /^[a-z]+_[a-z]+$/);
  });

  it('is stopped by SIGTERM, or by SIGKILL when it does not listen', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    await started(setup, 'kind');
    await containers.stop('kind');
    assert.equal((await containers.inspect('kind')).state.exitCode, 143);
    setup.containerd.deadly.delete(15);
    await started(setup, 'stubborn');
    const stopping = containers.stop('stubborn', { timeout: 7 });
    await until('the stop waits', () => setup.clock.next === 7_000);
    setup.clock.advance(7_000);
    await stopping;
    assert.equal((await containers.inspect('stubborn')).state.exitCode, 137);
    await assert.rejects(containers.stop('stubborn'), (error) => isKind(error, 'notModified'));
  });

  it('refuses what does not fit its state, with the texts of Docker', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const id = await started(setup, 'busy');
    await assert.rejects(containers.start('busy'), (error) => isKind(error, 'notModified'));
    await assert.rejects(containers.remove('busy'), {
      message:
        'cannot remove container "/busy": container is running: stop the container before removing or force remove',
    });
    await containers.pause('busy');
    assert.equal(await statusOf(setup, 'busy'), 'paused');
    await assert.rejects(containers.pause('busy'), { message: `Container ${id} is already paused` });
    await containers.unpause('busy');
    await containers.kill('busy');
    await assert.rejects(containers.kill('busy'), {
      message: `cannot kill container: busy: container ${id} is not running`,
    });
    await assert.rejects(containers.kill('busy', 'SIGNOPE'), { message: 'invalid signal: SIGNOPE' });
  });

  it('goes away by itself with --rm, and a wait for that ends then', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const { id } = await containers.create({ name: 'brief', spec: specOf({ autoRemove: true }), networks: BRIDGE });
    const { exit } = await containers.wait('brief', 'removed');
    await containers.start('brief');
    setup.containerd.exit(id, 9);
    assert.deepEqual(await exit, { exitCode: 9 });
    assert.deepEqual(await containers.list({ all: true, filters: {} }), []);
    assert.deepEqual(actions(setup), ['create', 'start', 'die', 'destroy']);
  });

  it('survives a restart even with --rm', async () => {
    await using setup = await setUp();
    await started(setup, 'again', { autoRemove: true });
    await setup.parts.containers.restart('again');
    assert.equal(await statusOf(setup, 'again'), 'running');
    assert.deepEqual(actions(setup), ['create', 'start', 'kill', 'die', 'stop', 'start', 'restart']);
  });

  it('is removed by force while it runs', async () => {
    await using setup = await setUp();
    await started(setup, 'doomed');
    await setup.parts.containers.remove('doomed', { force: true });
    assertNothingLeft(setup);
  });

  it('stores networks it is connected to while it does not run', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const { id } = await containers.create({ name: 'later', spec: specOf(), networks: BRIDGE });
    await containers.connect('later', 'other', { aliases: ['x'] });
    await containers.start('later');
    const names = (await containers.inspect('later')).endpoints.map(({ dnsNames }) => dnsNames);
    assert.deepEqual(names, [
      ['later', id.slice(0, 12)],
      ['later', 'x', id.slice(0, 12)],
    ]);
    await containers.disconnect('later', 'bridge', { force: false });
    await assert.rejects(containers.disconnect('later', 'bridge', { force: false }), {
      message: `container ${id} is not connected to network bridge`,
    });
    assert.equal((await containers.inspect('later')).endpoints.length, 1);
  });

  it('shares the namespace of a running container only', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const owner = await started(setup, 'owner');
    await containers.create({ name: 'guest', spec: specOf({ network: { mode: 'container:owner' } }), networks: [] });
    await containers.start('guest');
    assert.equal(setup.network.open.size, 1);
    assert.equal((await containers.inspect('guest')).paths.hosts, (await containers.inspect('owner')).paths.hosts);
    await containers.stop('guest');
    setup.containerd.exit(owner, 0);
    await until('the owner has ended', async () => (await statusOf(setup, 'owner')) === 'exited');
    await assert.rejects(containers.start('guest'), {
      message: 'cannot join network namespace of a non running container: container owner is exited',
    });
  });
});

describe('restart policies', () => {
  it('bring a container back, later each time, until it has failed often enough', async () => {
    await using setup = await setUp();
    const id = await started(setup, 'flaky', { restart: { name: 'on-failure', maximumRetryCount: 2 } });
    for (const wait of [100, 200]) {
      setup.containerd.exit(id, 1);
      await until('it waits to restart', () => setup.clock.next === wait);
      assert.equal(await statusOf(setup, 'flaky'), 'restarting');
      setup.clock.advance(wait);
      await until('it runs again', async () => (await statusOf(setup, 'flaky')) === 'running');
    }
    setup.containerd.exit(id, 1);
    await until('it rests', async () => (await statusOf(setup, 'flaky')) === 'exited');
    assert.equal((await setup.parts.containers.inspect('flaky')).state.restartCount, 2);
    assert.equal(setup.clock.next, undefined);
  });

  it('leave a container alone that ended well, or that somebody stopped', async () => {
    await using setup = await setUp();
    const done = await started(setup, 'done', { restart: { name: 'on-failure' } });
    setup.containerd.exit(done, 0);
    await until('it rests', async () => (await statusOf(setup, 'done')) === 'exited');
    await started(setup, 'stopped', { restart: { name: 'always' } });
    await setup.parts.containers.stop('stopped');
    assert.equal(await statusOf(setup, 'stopped'), 'exited');
    assert.equal(setup.clock.next, undefined);
  });

  it('end with a stop while the container waits to be restarted', async () => {
    await using setup = await setUp();
    const id = await started(setup, 'loop', { restart: { name: 'always' } });
    setup.containerd.exit(id, 1);
    await until('it waits to restart', () => setup.clock.next === 100);
    await setup.parts.containers.stop('loop');
    assert.equal(await statusOf(setup, 'loop'), 'exited');
    assert.equal(setup.clock.next, undefined);
  });
});

describe('a failure', () => {
  const steps = ['sandboxes.open', 'sandboxes.attach', 'containers.create', 'tasks.create', 'tasks.start'] as const;
  for (const step of steps) {
    it(`of ${step} leaves nothing of the start, and the next one succeeds`, async () => {
      await using setup = await setUp();
      const { containers } = setup.parts;
      const { id } = await containers.create({ name: 'unlucky', spec: specOf(), networks: BRIDGE });
      setup.faults.arm(step);
      await assert.rejects(containers.start('unlucky'), { message: new RegExp(`${step} fails`) });
      assertNothingLeft(setup);
      assert.equal(existsSync(join(setup.folder, 'exec/containers', id, 'init-stdout')), false);
      assert.equal(await statusOf(setup, 'unlucky'), 'created');
      await containers.start('unlucky');
      assert.equal(await statusOf(setup, 'unlucky'), 'running');
    });
  }

  for (const step of ['images.get', 'images.prepareRootfs'] as const) {
    it(`of ${step} leaves nothing of the creation`, async () => {
      await using setup = await setUp();
      const { containers, volumes } = setup.parts;
      const request = { name: 'unborn', spec: specOf({ mounts: { anonymous: ['/data'] } }), networks: BRIDGE };
      setup.faults.arm(step);
      await assert.rejects(containers.create(request), { message: `${step} fails` });
      assert.deepEqual(setup.images.rootfs, new Set());
      assert.deepEqual(await volumes.list(), []);
      assert.deepEqual(await setup.store.list('containers/'), []);
      await containers.create(request);
    });
  }
});

describe('the next daemon', () => {
  it('takes up what runs, settles what has ended and starts what its policy wants', async () => {
    await using setup = await setUp();
    const runs = await started(setup, 'runs');
    const ends = await started(setup, 'ends');
    const back = await started(setup, 'back', { restart: { name: 'always' } });
    await setup.parts.close();
    setup.containerd.exit(ends, 4);
    setup.containerd.exit(back, 1);
    const { containers } = await setup.next();
    assert.equal((await containers.inspect('runs')).state.status, 'running');
    const ended = (await containers.inspect('ends')).state;
    assert.deepEqual([ended.status, ended.exitCode], ['exited', 4]);
    await until('the policy acts', async () => {
      if (setup.clock.next !== undefined) setup.clock.advance(setup.clock.next);
      return (await containers.inspect('back')).state.status === 'running';
    });
    const { exit } = await containers.wait('runs', 'not-running');
    setup.containerd.exit(runs, 5);
    assert.deepEqual(await exit, { exitCode: 5 });
    setup.containerd.exit(back, 0);
  });

  it('tries again to start what its policy wants while something that it needs is not there yet', async () => {
    await using setup = await setUp();
    const id = await started(setup, 'back', { restart: { name: 'always' } });
    const stop = setup.parts.containers.stop('back');
    setup.containerd.exit(id, 0);
    await stop;
    await setup.parts.close();
    setup.faults.arm('sandboxes.open', unavailable('store_unreachable', 'the cluster cannot be asked'));
    const { containers } = await setup.next();
    await until('it has failed', () => setup.clock.next === 500);
    assert.equal((await containers.inspect('back')).state.status, 'exited');
    setup.clock.advance(500);
    await until('it runs', async () => (await containers.inspect('back')).state.status === 'running');
  });

  it('finishes a removal that was cut off', async () => {
    await using setup = await setUp();
    const { id } = await setup.parts.containers.create({ name: 'half', spec: specOf(), networks: BRIDGE });
    const stored = await setup.store.get<{ state: object }>(`containers/${id}`);
    await setup.store.put(`containers/${id}`, {
      ...stored?.value,
      state: { ...stored?.value.state, status: 'removing' },
    });
    const { containers } = await setup.next();
    assert.deepEqual(await containers.list({ all: true, filters: {} }), []);
    assert.deepEqual(setup.images.rootfs, new Set());
  });
});

describe('the next daemon, after a crash', () => {
  it('takes away what an unfinished creation and an unfinished start have left', async () => {
    await using setup = await setUp();
    const orphan = 'f'.repeat(64);
    mkdirSync(join(setup.folder, 'data/containers', orphan), { recursive: true });
    setup.images.rootfs.add(orphan);
    const { id } = await setup.parts.containers.create({ name: 'begun', spec: specOf(), networks: BRIDGE });
    await setup.containerd.engine.tasks.create(id, {});
    const { containers } = await setup.next();
    assert.equal((await containers.inspect('begun')).state.status, 'created');
    assert.equal(setup.containerd.tasks.size, 0);
    assert.deepEqual([...setup.images.rootfs], [id]);
    assert.deepEqual(readdirSync(join(setup.folder, 'data/containers')), [id]);
  });
});

describe('output', () => {
  it('reaches everybody attached and the log, and ends with the container', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const { id } = await containers.create({ name: 'talks', spec: specOf(), networks: BRIDGE });
    const options = { stdin: false, stdout: true, stderr: true, logs: false, stream: true };
    const first = await containers.attach('talks', options);
    const second = await containers.attach('talks', options);
    await containers.start('talks');
    setup.containerd.write(id, 'stdout', 'one\ntwo\n');
    setup.containerd.write(id, 'stderr', 'oops\n');
    setup.containerd.exit(id, 0);
    for (const session of [first, second]) {
      assert.equal(await textOf(session.stdout), 'one\ntwo\n');
      assert.equal(await textOf(session.stderr), 'oops\n');
    }
    const lines: string[] = [];
    for await (const line of await containers.logs('talks', { stdout: true, stderr: false, follow: false })) {
      lines.push(line.data.toString());
    }
    assert.deepEqual(lines, ['one\n', 'two\n']);
  });

  it('ends when the container may be removed', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const id = await started(setup, 'done');
    const options = { stdin: false, stdout: true, stderr: false, logs: false, stream: true };
    const session = await containers.attach('done', options);
    // Cleaning up takes longer than reading the output.
    const { sandboxes } = setup.network;
    const close = sandboxes.close.bind(sandboxes);
    sandboxes.close = async (sandbox) => {
      for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await close(sandbox);
    };
    setup.containerd.write(id, 'stdout', 'bye\n');
    setup.containerd.exit(id, 0);
    assert.equal(await textOf(session.stdout), 'bye\n');
    assert.equal(await statusOf(setup, 'done'), 'exited');
    await containers.remove('done');
  });

  it('that was logged comes before what is new, when asked for', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const id = await started(setup, 'chatty');
    setup.containerd.write(id, 'stdout', 'early\n');
    await until('it is logged', async () => readFileSync((await containers.inspect('chatty')).paths.log).length > 0);
    const session = await containers.attach('chatty', {
      stdin: false,
      stdout: true,
      stderr: true,
      logs: true,
      stream: true,
    });
    setup.containerd.write(id, 'stdout', 'late\n');
    setup.containerd.exit(id, 0);
    assert.equal(await textOf(session.stdout), 'early\nlate\n');
  });
});

async function textOf(source: AsyncIterable<Buffer> | undefined): Promise<string> {
  let text = '';
  for await (const chunk of source ?? []) text += chunk.toString();
  return text;
}
