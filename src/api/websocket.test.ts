import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { type FakeProcess, RawConnection, send, startFakeEngine } from './testing/index.ts';

let fake: Awaited<ReturnType<typeof startFakeEngine>>;
beforeEach(async () => {
  fake = await startFakeEngine();
});
afterEach(() => fake.close());

async function makeContainer(): Promise<FakeProcess> {
  await send(fake.socketPath, 'POST', '/containers/create?name=c', { body: { Image: 'busybox', OpenStdin: true } });
  const [view] = [...fake.containers.views.values()];
  assert.ok(view);
  return fake.containers.processOf(view.id);
}

/** An open connection, with all it receives. */
async function connect(
  query: string,
): Promise<{ readonly socket: WebSocket; readonly received: () => string; readonly closed: Promise<unknown[]> }> {
  const socket = new WebSocket(`ws+unix://${fake.socketPath}:/v1.41/containers/c/attach/ws?${query}`);
  const chunks: Buffer[] = [];
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    assert.ok(isBinary);
    chunks.push(data);
  });
  const closed = once(socket, 'close');
  await once(socket, 'open');
  return { socket, received: () => Buffer.concat(chunks).toString(), closed };
}

/** What has arrived at the process's stdin so far. */
function typedTo(process: FakeProcess): () => string {
  let text = '';
  process.stdin.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  return () => text;
}

async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await new Promise((resolve) => setImmediate(resolve));
}

describe('attach over a WebSocket', () => {
  test('carries input and both outputs without frames, until the outputs end', async () => {
    const process = await makeContainer();
    const { socket, received, closed } = await connect('stream=1&stdin=1&stdout=1&stderr=1');
    socket.send('text and ');
    socket.send(Buffer.from('bytes'));
    const typed = typedTo(process);
    await until(() => typed() === 'text and bytes');
    process.stdout.end('out\n');
    process.stderr.end('err\n');
    await closed;
    // Between the two there is no order.
    assert.deepEqual(received().trim().split('\n').sort(), ['err', 'out']);
    assert.equal(process.detached, true);
  });

  test('carries more than fits into a message at once', async () => {
    const process = await makeContainer();
    const { received, closed } = await connect('stream=1&stdout=1');
    process.stderr.end();
    process.stdout.end('x'.repeat(3_000_000));
    await closed;
    assert.ok(received() === 'x'.repeat(3_000_000), `${received().length} characters`);
  });

  for (const how of ['close', 'terminate'] as const) {
    test(`leaves the container when the client goes: ${how}`, async () => {
      const process = await makeContainer();
      const { socket } = await connect('stream=1&stdin=1&stdout=1&stderr=1');
      const typed = typedTo(process);
      socket.send('bye');
      await until(() => typed() === 'bye');
      socket[how]();
      await until(() => process.detached);
    });
  }

  test('says so when there is no such container, and when the client speaks something else', async () => {
    await makeContainer();
    const socket = new WebSocket(`ws+unix://${fake.socketPath}:/containers/nobody/attach/ws?stream=1`);
    const [error] = (await once(socket, 'error')) as [Error];
    assert.match(error.message, /404/);
    const plain = await send(fake.socketPath, 'GET', '/containers/c/attach/ws?stream=1&stdout=1');
    assert.deepEqual([plain.status, plain.json], [400, { message: 'not websocket protocol' }]);
    const connection = new RawConnection(fake.socketPath);
    connection.write(
      'GET /containers/c/attach/ws?stream=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
    );
    assert.match((await connection.end()).toString(), /^HTTP\/1\.1 400 Bad Request\r\n/);
  });
});
