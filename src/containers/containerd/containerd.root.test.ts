import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, readSync, rmdirSync, writeSync } from 'node:fs';
import { copyFile, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ContainerdDaemon, type ContainerdEvent } from './index.ts';
import { type PrivateContainerd, startPrivateContainerd } from './testing/index.ts';

const DEADLINE_MS = 60_000;

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail(`not within a minute: ${what}`);
    await delay(20);
  }
}

describe('a private containerd', () => {
  let own: PrivateContainerd;
  const cgroup = `fwt-${randomBytes(4).toString('hex')}`;

  before(async () => {
    own = await startPrivateContainerd();
    const rootfs = join(own.folder, 'rootfs');
    for (const folder of ['bin', 'proc', 'dev']) await mkdir(join(rootfs, folder), { recursive: true });
    await copyFile('/bin/busybox', join(rootfs, 'bin/busybox'));
    await symlink('busybox', join(rootfs, 'bin/sh'));
  });

  after(async () => {
    await own[Symbol.asyncDispose]();
    for (const controller of await readdir('/sys/fs/cgroup')) {
      try {
        rmdirSync(join('/sys/fs/cgroup', controller, cgroup));
      } catch {
        // This hierarchy has none: it is not a folder, or runc made nothing in it.
      }
    }
  });

  const processOf = (script: string) => ({
    terminal: false,
    user: { uid: 0, gid: 0 },
    args: ['/bin/sh', '-c', script],
    env: ['PATH=/bin'],
    cwd: '/',
    capabilities: {},
  });

  const specOf = (id: string, script: string) => ({
    ociVersion: '1.0.2',
    process: processOf(script),
    root: { path: 'rootfs' },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
    ],
    linux: {
      cgroupsPath: `/${cgroup}/${id}`,
      namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })),
    },
  });

  const rootfs = () => [{ type: 'bind', source: join(own.folder, 'rootfs'), options: ['rbind', 'rw'] }];

  it('runs a task from its creation to its exit code, streams and events included', async () => {
    const { client, folder } = own;
    const stop = new AbortController();
    const events: ContainerdEvent[] = [];
    const listening = (async () => {
      for await (const event of client.events.subscribe({ signal: stop.signal })) events.push(event);
    })().catch((error: unknown) => assert.equal(stop.signal.aborted, true, String(error)));

    // The subscription takes effect at some moment after the call: an event of ours tells when.
    await until(async () => {
      await client.content.write(pieces(randomBytes(8)), { ref: 'wake' });
      await client.containers.create({ id: 'probe', spec: specOf('probe', 'true') });
      await client.containers.delete('probe');
      return events.length > 0;
    }, 'events arrive');

    const created = await client.containers.create({
      id: 'one',
      spec: specOf('one', 'read line; echo "got $line"; exit 7'),
      labels: { a: 'b' },
      runtime: { options: { binaryName: 'runc' } },
    });
    assert.equal(created.runtime.options.binaryName, 'runc');
    await client.containers.update('one', { labels: { c: 'd' } });
    assert.deepEqual((await client.containers.get('one')).labels, { c: 'd' });

    const paths = { stdin: join(folder, 'in'), stdout: join(folder, 'out'), stderr: join(folder, 'err') };
    execFileSync('mkfifo', Object.values(paths));
    const fds = Object.values(paths).map((path) => openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    try {
      const pid = await client.tasks.create('one', { ...paths, rootfs: rootfs() });
      assert.ok(pid > 0);
      const exit = client.tasks.wait('one');
      assert.equal(await client.tasks.start('one'), pid);
      writeSync(fds[0] ?? -1, 'hello\n');
      assert.equal((await exit).exitCode, 7);
      assert.equal((await client.tasks.get('one')).status, 'stopped');
      const buffer = Buffer.alloc(100);
      let text = '';
      await until(() => {
        text += buffer.toString('utf8', 0, tryRead(fds[1] ?? -1, buffer));
        return text.includes('\n');
      }, 'output arrives');
      assert.equal(text, 'got hello\n');
      const deleted = await client.tasks.delete('one');
      assert.equal(deleted.exitCode, 7);
      assert.ok(deleted.exitedAt > 0n);
    } finally {
      for (const fd of fds) closeSync(fd);
    }
    await client.containers.delete('one');
    await until(() => events.some(({ task }) => task?.type === 'delete'), 'the delete event arrives');
    stop.abort();
    await listening;
    const ofTask = events.flatMap(({ task }) => (task?.containerId === 'one' ? [task] : []));
    assert.deepEqual(
      ofTask.map(({ type }) => type),
      ['create', 'start', 'exit', 'delete'],
    );
    const exited = ofTask.find(({ type }) => type === 'exit');
    assert.equal(exited?.type === 'exit' ? exited.exitCode : -1, 7);
  });

  it('runs further processes in a task, measures it, pauses it and kills it', async () => {
    const { client } = own;
    await client.containers.create({ id: 'two', spec: specOf('two', 'exec /bin/busybox sleep 1000') });
    await client.tasks.create('two', { rootfs: rootfs() });
    await client.tasks.start('two');
    const exit = client.tasks.wait('two');

    await client.tasks.exec('two', 'e1', processOf('exit 3'));
    const ended = client.tasks.wait('two', { execId: 'e1' });
    await client.tasks.start('two', 'e1');
    assert.equal((await ended).exitCode, 3);
    assert.equal((await client.tasks.deleteProcess('two', 'e1')).exitCode, 3);

    assert.equal((await client.tasks.pids('two')).length, 1);
    const metrics = await client.tasks.metrics('two');
    assert.ok(metrics && metrics.memory.usage > 0n);
    await client.tasks.pause('two');
    assert.equal((await client.tasks.get('two')).status, 'paused');
    await client.tasks.resume('two');
    assert.deepEqual(
      (await client.tasks.list()).map(({ containerId }) => containerId),
      ['two'],
    );
    await assert.rejects(client.tasks.delete('two'), /cannot delete a running process/);

    await client.tasks.kill('two', 9, { all: true });
    assert.equal((await exit).exitCode, 137);
    await client.tasks.delete('two');
    await client.containers.delete('two');
    await assert.rejects(client.tasks.kill('two', 9), { kind: 'notFound' });
    assert.equal(await client.tasks.metrics('two'), null);
  });

  it('keeps content by digest and continues an upload that broke off', async () => {
    const { client } = own;
    const bytes = randomBytes(3_000_000);
    const lease = 'uploads';
    await client.leases.create({ id: lease, expiresAt: new Date(Date.now() + 3_600_000) });
    const first = await client.content.openWriter({ ref: 'upload', lease });
    await first.write(bytes.subarray(0, 1_500_000));
    first.close();
    let again = await client.content.status('upload');
    assert.equal(again?.offset, 1_500_000);
    let writer: Awaited<ReturnType<typeof client.content.openWriter>> | undefined;
    // The server lets go of the upload some time after the first call ended.
    await until(async () => {
      writer = await client.content.openWriter({ ref: 'upload', lease }).catch(() => undefined);
      return writer !== undefined;
    }, 'the upload opens again');
    assert.equal(writer?.offset, 1_500_000);
    await writer?.write(bytes.subarray(1_500_000));
    const done = await writer?.commit();
    writer?.close();
    const digest = done?.digest ?? '';
    assert.deepEqual(await client.content.readAll(digest), bytes);
    const tail: Buffer[] = [];
    for await (const chunk of client.content.read(digest, { offset: 2_999_990 })) tail.push(chunk);
    assert.deepEqual(Buffer.concat(tail), bytes.subarray(2_999_990));
    again = await client.content.status('upload');
    assert.equal(again, null);

    const twice = await client.content.write(pieces(bytes), { ref: 'second', lease });
    assert.equal(twice.digest, digest);
    await client.content.setLabels(digest, { a: 'b' });
    assert.deepEqual((await client.content.find(digest))?.labels, { a: 'b' });
    const wrong = client.content.write(pieces(bytes), { ref: 'third', lease, expected: `sha256:${'0'.repeat(64)}` });
    await assert.rejects(wrong, /unexpected commit digest/);
    await client.content.delete(digest);
    assert.equal(await client.content.find(digest), null);
    await client.leases.delete(lease);
  });

  it('makes snapshots on snapshots', async () => {
    const { snapshots } = own.client;
    // Without this label the garbage collector may take them at any moment.
    const labels = { 'containerd.io/gc.root': 'x' };
    await snapshots.prepare('base-key', { labels });
    await snapshots.commit('base', 'base-key', { labels });
    const mounts = await snapshots.prepare('top', { parent: 'base', labels });
    assert.equal(mounts.length, 1);
    assert.deepEqual(await snapshots.mounts('top'), mounts);
    assert.deepEqual((await snapshots.list()).map(({ name, kind }) => `${name} ${kind}`).sort(), [
      'base committed',
      'top active',
    ]);
    assert.ok((await snapshots.usage('base')).inodes > 0);
    await assert.rejects(snapshots.prepare('top', { parent: 'base', labels }), { kind: 'conflict' });
    await assert.rejects(snapshots.stat('nothing'), { kind: 'notFound' });
    await snapshots.remove('top');
    await snapshots.remove('base');
  });

  it('is found again by the next one who wants it, and started again when it dies', async () => {
    const { folder, daemon, client } = own;
    const paths = { root: join(folder, 'root'), state: join(folder, 'state'), socketPath: daemon.socketPath };
    const found = await ContainerdDaemon.ensure(paths);
    found.release();
    assert.equal(found.pid, daemon.pid);

    const before = daemon.pid;
    let restarted = false;
    daemon.restarted.on(() => {
      restarted = true;
    });
    process.kill(before, 'SIGKILL');
    await until(() => restarted, 'containerd is started again');
    assert.notEqual(daemon.pid, before);
    assert.match((await client.version()).version, /^1\./);
  });

  it('says why it does not start', async () => {
    const { folder } = own;
    const paths = { root: join(folder, 'r2'), state: join(folder, 's2'), socketPath: join(folder, 'sock2') };
    await assert.rejects(ContainerdDaemon.ensure({ ...paths, program: '/nowhere/containerd' }), {
      kind: 'unavailable',
      message: /cannot start "\/nowhere\/containerd"/,
    });
    await assert.rejects(ContainerdDaemon.ensure({ ...paths, socketPath: `/${'x'.repeat(120)}` }), { kind: 'invalid' });
    await assert.rejects(ContainerdDaemon.ensure({ ...paths, program: '/bin/false' }), {
      kind: 'unavailable',
      message: /cannot start containerd: it ended at once/,
    });
  });
});

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function tryRead(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0;
    throw error;
  }
}
