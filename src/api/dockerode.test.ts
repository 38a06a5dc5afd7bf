import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import Docker from 'dockerode';
import { startFakeEngine } from './testing/index.ts';

/** By events: dockerode's own duplex does not end an iterator. */
async function readAll(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

for (const hijack of [true, false]) {
  test(`dockerode runs a container, attached ${hijack ? 'by an upgrade' : 'without one'}`, async () => {
    await using fake = await startFakeEngine();
    const docker = new Docker({ socketPath: fake.socketPath });
    const network = await docker.createNetwork({ Name: 'net' });
    const container = await docker.createContainer({
      name: 'c',
      Image: 'busybox',
      Cmd: ['cat'],
      OpenStdin: true,
      StdinOnce: true,
      HostConfig: { NetworkMode: 'net' },
    });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack });
    await container.start();
    const process = fake.containers.processOf(container.id);
    stream.write('typed\n');
    let typed = '';
    while (!typed.includes('\n')) {
      const [chunk] = await once(process.stdin, 'data');
      typed += chunk;
    }
    assert.equal(typed, 'typed\n');
    const exit = container.wait();
    process.stdout.write('answer');
    fake.containers.exit('c', 5);
    assert.match((await readAll(stream)).toString('latin1'), /answer$/);
    assert.deepEqual(await exit, { StatusCode: 5 });
    assert.equal((await container.inspect()).State.ExitCode, 5);
    assert.equal((await network.inspect()).Name, 'net');
    await container.remove();
    stream.end();
  });
}

test('dockerode executes, lists, loads and follows events', async () => {
  await using fake = await startFakeEngine();
  const docker = new Docker({ socketPath: fake.socketPath });
  const container = await docker.createContainer({ name: 'c', Image: 'busybox' });
  const events = await docker.getEvents();
  await container.start();
  const [first] = await once(events, 'data');
  assert.equal((JSON.parse(String(first)) as { Action: string }).Action, 'start');
  const exec = await container.exec({ Cmd: ['id'], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  fake.containers.processOf(exec.id).stdout.write('uid=0');
  fake.containers.endExec(exec.id, 0);
  assert.match((await readAll(stream)).toString('latin1'), /uid=0$/);
  assert.equal((await exec.inspect()).ExitCode, 0);
  assert.deepEqual(
    (await docker.listContainers()).map(({ Names }) => Names),
    [['/c']],
  );
  assert.equal((await docker.info()).Containers, 1);
  await assert.rejects(docker.getContainer('nobody').inspect(), { statusCode: 404, reason: 'no such container' });
});
