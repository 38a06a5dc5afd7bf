import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { frame } from './http/index.ts';
import { type FakeProcess, RawConnection, send, startFakeEngine } from './testing/index.ts';

type Fake = Awaited<ReturnType<typeof startFakeEngine>>;

let fake: Fake;
beforeEach(async () => {
  fake = await startFakeEngine();
});
afterEach(() => fake.close());

async function makeContainer(config: Readonly<Record<string, unknown>> = {}): Promise<FakeProcess> {
  await send(fake.socketPath, 'POST', '/containers/create?name=c', {
    body: { Image: 'busybox', OpenStdin: true, ...config },
  });
  const [view] = [...fake.containers.views.values()];
  assert.ok(view);
  return fake.containers.processOf(view.id);
}

/** All that arrives on a stream of a process until it ends. */
async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: tcp\r\n';
const ATTACH = 'POST /v1.41/containers/c/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\n';

async function startExec(): Promise<string> {
  const body = { Cmd: ['cat'], AttachStdin: true, AttachStdout: true, AttachStderr: true };
  const { json } = await send(fake.socketPath, 'POST', '/containers/c/exec', { body });
  return (json as { Id: string }).Id;
}

for (const form of [
  { name: 'upgraded', headers: UPGRADE, answer: 'HTTP/1.1 101 UPGRADED\r\n' },
  { name: 'raw', headers: '', answer: 'HTTP/1.1 200 OK\r\n' },
]) {
  describe(`a connection that is taken over, ${form.name}`, () => {
    test('carries stdin that came in the same packet as the request, and output after the half-close', async () => {
      const process = await makeContainer();
      const connection = new RawConnection(fake.socketPath);
      connection.write(`${ATTACH}${form.headers}\r\nGET / HTTP/1.1\r\nthis is not HTTP\r\n\r\n`);
      const head = await connection.until('\r\n\r\n');
      assert.ok(head.startsWith(form.answer), head);
      assert.match(head, /Content-Type: application\/vnd\.docker\.raw-stream\r\n/);
      connection.socket.end('and the end');
      assert.equal(await textOf(process.stdin), 'GET / HTTP/1.1\r\nthis is not HTTP\r\n\r\nand the end');
      process.stdout.write('after the half-close');
      process.stderr.end('errors');
      process.stdout.end();
      const all = await connection.end();
      const body = all.subarray(all.indexOf('\r\n\r\n') + 4);
      const [out, errors] = [frame(1, Buffer.from('after the half-close')), frame(2, Buffer.from('errors'))];
      // Between the two streams there is no order; within a frame nothing of the other comes.
      assert.ok(
        body.includes(out) && body.includes(errors) && body.length === out.length + errors.length,
        String(body),
      );
      assert.equal(process.detached, true);
    });

    test('is the same when the request comes byte by byte', async () => {
      const process = await makeContainer();
      const connection = new RawConnection(fake.socketPath);
      connection.socket.setNoDelay(true);
      for (const byte of `${ATTACH}${form.headers}\r\nstdin`) {
        connection.write(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.ok((await connection.until('\r\n\r\n')).startsWith(form.answer));
      connection.socket.end();
      assert.equal(await textOf(process.stdin), 'stdin');
      process.stdout.end();
      process.stderr.end();
      await connection.end();
    });

    test('reads the JSON body of an exec before the stream begins', async () => {
      await makeContainer();
      await send(fake.socketPath, 'POST', '/containers/c/start');
      const id = await startExec();
      const process = fake.containers.processOf(id);
      const body = '{"Detach":false,"Tty":false}';
      const connection = new RawConnection(fake.socketPath);
      const headers = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
      connection.write(
        `POST /exec/${id}/start HTTP/1.1\r\nHost: x\r\n${headers}${form.headers}\r\n${body.slice(0, 9)}`,
      );
      connection.write(`${body.slice(9)}typed ahead`);
      const head = await connection.until('\r\n\r\n');
      assert.ok(head.startsWith(form.answer), head);
      assert.match(head, /application\/vnd\.docker\.multiplexed-stream/);
      connection.socket.end();
      assert.equal(await textOf(process.stdin), 'typed ahead');
      process.stdout.write('out');
      fake.containers.endExec(id, 3);
      const all = await connection.end();
      assert.deepEqual(all.subarray(all.indexOf('\r\n\r\n') + 4), frame(1, Buffer.from('out')));
      const { json } = await send(fake.socketPath, 'GET', `/exec/${id}/json`);
      assert.equal((json as { ExitCode: number }).ExitCode, 3);
    });

    test('answers with a plain error when there is nothing to take over', async () => {
      const connection = new RawConnection(fake.socketPath);
      connection.write(`POST /containers/nobody/attach HTTP/1.1\r\nHost: x\r\n${form.headers}\r\n`);
      const text = await connection.until('No such container');
      assert.match(text, /^HTTP\/1\.1 404 Not Found\r\n/);
      assert.match(text, /{"message":"No such container: nobody"}\n$/);
      connection.socket.destroy();
    });

    test('leaves the container when the client goes', async () => {
      const process = await makeContainer();
      const connection = new RawConnection(fake.socketPath);
      connection.write(`${ATTACH}${form.headers}\r\n`);
      await connection.until('\r\n\r\n');
      connection.socket.destroy();
      // The close is seen at the latest when something is to be written.
      const left = new Promise<void>((resolve) => process.stdout.once('close', resolve));
      const writer = setInterval(() => process.stdout.destroyed || process.stdout.write('x'), 1);
      await left;
      clearInterval(writer);
      assert.equal(process.detached, true);
    });

    test('holds a fast container back when the client is slow', async () => {
      const process = await makeContainer({ Tty: true });
      const connection = new RawConnection(fake.socketPath);
      connection.write(`${ATTACH}${form.headers}\r\n`);
      await connection.until('\r\n\r\n');
      connection.socket.pause();
      const chunk = Buffer.alloc(65_536, 'y');
      let produced = 0;
      const output = Readable.from(
        (function* () {
          for (; produced < 512; produced += 1) yield chunk;
        })(),
      );
      output.pipe(process.stdout);
      for (let idle = 0, last = -1; idle < 100; idle = produced === last ? idle + 1 : 0) {
        last = produced;
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.ok(produced < 512, 'nothing holds the container back');
      connection.socket.resume();
      const all = await connection.end();
      assert.equal(all.length - (all.indexOf('\r\n\r\n') + 4), 512 * chunk.length);
    });
  });
}

test('a raw attach on a connection that has carried requests before is taken over too', async () => {
  const process = await makeContainer();
  const connection = new RawConnection(fake.socketPath);
  connection.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
  await connection.until('\r\n\r\nOK');
  const before = connection.received.length;
  connection.write(`${ATTACH}Content-Length: 2\r\n\r\n{}`);
  await connection.until('HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream');
  connection.write('GET / HTTP/1.1\r\n\r\n');
  connection.socket.end('end');
  assert.equal(await textOf(process.stdin), 'GET / HTTP/1.1\r\n\r\nend');
  process.stderr.end();
  const large = Buffer.alloc(4_000_000, 'z');
  process.stdout.end(large);
  const all = await connection.end();
  assert.ok(all.length - before > large.length, 'the last bytes are lost');
  assert.equal(all.subarray(-1000).toString(), 'z'.repeat(1000));
});

test('a connection that opens and says nothing, or half a request, costs nothing', async () => {
  const silent = new RawConnection(fake.socketPath);
  const half = new RawConnection(fake.socketPath);
  half.write('POST /containers/c/att');
  assert.equal((await send(fake.socketPath, 'GET', '/_ping')).text, 'OK');
  silent.socket.end();
  half.socket.end();
  await silent.end();
  await half.end();
  const garbage = new RawConnection(fake.socketPath);
  garbage.write('\x16\x03\x01 nonsense\r\n\r\n');
  assert.match(await garbage.until('malformed'), /^HTTP\/1\.1 400 Bad Request/);
  await garbage.end();
});

test('an upgrade to another protocol is answered as a plain request', async () => {
  const headers = { Connection: 'Upgrade', Upgrade: 'h2c' };
  const { status, json } = await send(fake.socketPath, 'POST', '/grpc', { headers });
  assert.equal(status, 501);
  assert.deepEqual(json, { message: 'this engine has no BuildKit' });
});

test('wait sends its headers before it blocks, and the exit code after', async () => {
  await makeContainer();
  const call = http.request({
    socketPath: fake.socketPath,
    method: 'POST',
    path: '/containers/c/wait?condition=next-exit',
  });
  call.end();
  const [response] = (await once(call, 'response')) as [http.IncomingMessage];
  assert.equal(response.statusCode, 200);
  assert.equal((await send(fake.socketPath, 'POST', '/containers/c/start')).status, 204);
  fake.containers.exit('c', 42);
  assert.deepEqual(JSON.parse(await textOf(response)), { StatusCode: 42 });
});

test('a client that goes in the middle of wait, logs or events is let go of', async () => {
  await makeContainer();
  const paths: readonly [string, string][] = [
    ['POST', '/containers/c/wait?condition=next-exit'],
    ['GET', '/containers/c/logs?follow=1&stdout=1'],
    ['GET', '/events'],
  ];
  for (const [method, path] of paths) {
    const call = http.request({ socketPath: fake.socketPath, method, path });
    call.on('error', () => {});
    call.end();
    const [response] = (await once(call, 'response')) as [http.IncomingMessage];
    response.on('error', () => {});
    call.destroy();
  }
  const deadline = Date.now() + 20_000;
  while (fake.containers.aborted.length < 2 || fake.events.listeners > 0) {
    assert.ok(Date.now() < deadline, `still held: ${fake.containers.aborted}, ${fake.events.listeners} listeners`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual([...fake.containers.aborted].sort(), ['logs c', 'wait c']);
});

test('logs are framed without a terminal and plain with one, stamped when asked', async () => {
  await makeContainer();
  const time = '2026-01-01T00:00:00.000000001Z';
  fake.containers.logLines.push(
    { stream: 'stdout', time, data: Buffer.from('one\n') },
    { stream: 'stderr', time, data: Buffer.from('two\n') },
  );
  const plain = await send(fake.socketPath, 'GET', '/containers/c/logs?stdout=1&stderr=1&timestamps=1');
  const expected = Buffer.concat([frame(1, Buffer.from(`${time} one\n`)), frame(2, Buffer.from(`${time} two\n`))]);
  assert.equal(plain.text, expected.toString());
  assert.equal(plain.headers['content-type'], 'application/vnd.docker.multiplexed-stream');
  const old = await send(fake.socketPath, 'GET', '/v1.41/containers/c/logs?stdout=1');
  assert.equal(old.headers['content-type'], 'application/vnd.docker.raw-stream');
  const none = await send(fake.socketPath, 'GET', '/containers/c/logs');
  assert.deepEqual([none.status, none.json], [400, { message: 'Bad parameters: you must choose at least one stream' }]);
});

test('events tell the past that is asked for and then what happens', async () => {
  await makeContainer();
  const call = http.request({ socketPath: fake.socketPath, path: '/events?since=1&filters={"type":["container"]}' });
  call.end();
  const [response] = (await once(call, 'response')) as [http.IncomingMessage];
  let text = '';
  response.on('data', (chunk) => {
    text += chunk;
  });
  await send(fake.socketPath, 'POST', '/containers/c/start');
  while (text.split('\n').length < 3) await once(response, 'data');
  const [created, started] = text.split('\n').map((line) => (line ? JSON.parse(line) : undefined));
  assert.equal(created.Action, 'create');
  assert.equal(created.status, 'create');
  assert.equal(created.from, 'busybox');
  assert.equal(started.Action, 'start');
  assert.match(text, /"timeNano":1700000000001000001}/);
  call.destroy();
  response.on('error', () => {});
  const past = await send(fake.socketPath, 'GET', '/events?since=1&until=1700000001&filters={"event":{"start":true}}');
  assert.equal(past.text.trim().split('\n').length, 1);
});
