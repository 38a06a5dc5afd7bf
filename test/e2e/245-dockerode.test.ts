import assert from 'node:assert/strict';
import { PassThrough, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { pack } from 'tar-stream';
import { assertUnchanged, type Engine, eventually, type Snapshot, snapshot, startEngine } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** Both streams of framed output, to their end. */
async function demultiplexed(stream: NodeJS.ReadableStream): Promise<{ out: string; err: string }> {
  const [out, err] = [new PassThrough(), new PassThrough()];
  engine.dockerode.modem.demuxStream(stream, out, err);
  stream.on('end', () => {
    out.end();
    err.end();
  });
  const [said, complained] = await Promise.all([text(out), text(err)]);
  return { out: said, err: complained };
}

describe('dockerode', () => {
  test('makes networks and containers, joins, lists, renames and removes them', async () => {
    const { dockerode } = engine;
    const network = await dockerode.createNetwork({
      Name: 'rode',
      Labels: { made: 'here' },
      IPAM: { Config: [{ Subnet: '10.80.0.0/24' }] },
    });
    const container = await dockerode.createContainer({
      name: 'first',
      Image: 'busybox',
      Cmd: ['httpd', '-f', '-h', '/etc'],
      ExposedPorts: { '80/tcp': {} },
      HostConfig: { NetworkMode: 'rode', PublishAllPorts: true },
      NetworkingConfig: { EndpointsConfig: { rode: { IPAMConfig: { IPv4Address: '10.80.0.7' }, Aliases: ['pages'] } } },
    });
    await container.start();
    const { NetworkSettings } = await container.inspect();
    assert.equal(NetworkSettings.Networks.rode?.IPAddress, '10.80.0.7');
    assert.match(NetworkSettings.Ports['80/tcp']?.[0]?.HostPort ?? '', /^\d+$/);
    const listed = await dockerode.listNetworks({ filters: { label: ['made=here'] } });
    assert.deepEqual(
      listed.map(({ Name }) => Name),
      ['rode'],
    );
    assert.deepEqual(Object.keys((await network.inspect()).Containers ?? {}), [container.id]);
    const page = new PassThrough();
    const [status] = await dockerode.run('busybox', ['wget', '-qO-', 'http://pages/group'], page, {
      HostConfig: { NetworkMode: 'rode', AutoRemove: true },
      Tty: true,
    });
    page.end();
    assert.equal((status as { StatusCode: number }).StatusCode, 0);
    assert.match(await text(page), /root/);
    await container.rename({ name: 'second' });
    assert.deepEqual(
      (await dockerode.listContainers({ filters: { name: ['second'] } })).map(({ Id }) => Id),
      [container.id],
    );
    await network.disconnect({ Container: container.id });
    await network.connect({ Container: container.id, EndpointConfig: { Aliases: ['again'] } });
    assert.deepEqual((await container.inspect()).NetworkSettings.Networks.rode?.Aliases?.includes('again'), true);
    await container.update({ Memory: 64 * 1024 * 1024, MemorySwap: -1 });
    await container.pause();
    await container.unpause();
    await container.restart({ t: 0 });
    assert.match(JSON.stringify(await container.top()), /httpd/);
    await container.stop({ t: 0 });
    await assert.rejects(container.stop(), { statusCode: 304 });
    await container.remove({ v: true });
    await network.remove();
    await assert.rejects(network.inspect(), { statusCode: 404 });
    await assertUnchanged(engine.host, clean);
  });

  test('attaches, executes, waits, reads logs, statistics and events', async () => {
    const { dockerode } = engine;
    const events = (await dockerode.getEvents({ filters: { type: ['container'] } })) as Readable;
    let told = '';
    events.on('data', (chunk: Buffer) => {
      told += chunk.toString();
    });
    const container = await dockerode.createContainer({
      Image: 'busybox',
      Cmd: ['sh', '-c', 'read -r word; echo "heard $word"; echo aside >&2; read -r word; exit 5'],
      OpenStdin: true,
      AttachStdin: true,
    });
    const attached = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    const heard = demultiplexed(attached);
    await container.start();
    attached.write('this\n');
    await eventually(async () => {
      const logs = await container.logs({ stdout: true, stderr: true, follow: false });
      assert.match(logs.toString(), /heard this[\s\S]*aside|aside[\s\S]*heard this/);
    });
    const exec = await container.exec({
      Cmd: ['sh', '-c', 'cat; echo err >&2; exit 3'],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const running = await exec.start({ hijack: true, stdin: true });
    const answered = demultiplexed(running);
    running.end('through');
    assert.deepEqual(await answered, { out: 'through', err: 'err\n' });
    await eventually(async () => assert.equal((await exec.inspect()).ExitCode, 3));
    const stats = await container.stats({ stream: false });
    assert.ok(stats.memory_stats.usage > 0 && stats.networks);
    const ended = container.wait();
    attached.end('\n');
    assert.deepEqual(await ended, { StatusCode: 5 });
    assert.deepEqual(await heard, { out: 'heard this\n', err: 'aside\n' });
    await container.remove();
    await eventually(() => {
      const actions = told
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { Action: string }).Action);
      for (const action of ['create', 'attach', 'start', 'exec_die', 'die', 'destroy'])
        assert.ok(actions.includes(action), action);
    });
    events.destroy();
    await assertUnchanged(engine.host, clean);
  });

  test('carries images, volumes and files', async () => {
    const { dockerode } = engine;
    const volume = await dockerode.createVolume({ Name: 'kept', Labels: { a: 'b' } });
    const container = await dockerode.createContainer({
      name: 'carrier',
      Image: 'busybox',
      Cmd: ['sleep', '600'],
      HostConfig: { Binds: ['kept:/kept'] },
    });
    await container.start();
    const archive = pack();
    archive.entry({ name: 'letter' }, 'dear reader');
    archive.finalize();
    await container.putArchive(archive as unknown as NodeJS.ReadableStream, { path: '/kept' });
    assert.match(await text(await container.getArchive({ path: '/kept/letter' })), /dear reader/);
    assert.deepEqual(
      (await dockerode.listVolumes({ filters: { label: ['a=b'] } })).Volumes.map(({ Name }) => Name),
      ['kept'],
    );
    await container.putArchive(
      (() => {
        const more = pack();
        more.entry({ name: 'etc/added' }, 'x');
        more.finalize();
        return more as unknown as NodeJS.ReadableStream;
      })(),
      { path: '/' },
    );
    assert.ok(((await container.changes()) as { Path: string }[]).some(({ Path }) => Path === '/etc/added'));
    await container.commit({ repo: 'carried', tag: 'one' });
    const image = dockerode.getImage('carried:one');
    assert.ok((await image.history()).length >= 1);
    await image.tag({ repo: 'carried', tag: 'two' });
    const saved = await image.get();
    const loaded = await dockerode.loadImage(saved as unknown as NodeJS.ReadableStream);
    assert.match(await text(loaded), /carried:one/);
    await container.remove({ force: true });
    for (const name of ['carried:one', 'carried:two']) await dockerode.getImage(name).remove();
    assert.deepEqual((await dockerode.listImages({ filters: { reference: ['carried'] } })).length, 0);
    await volume.remove();
    const pruned = await dockerode.pruneNetworks();
    assert.equal(pruned.NetworksDeleted, null);
    assert.ok((await dockerode.df()).Images.length > 0);
    assert.equal((await dockerode.info()).OSType, 'linux');
    await assertUnchanged(engine.host, clean);
  });
});
