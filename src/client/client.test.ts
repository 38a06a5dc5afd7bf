import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queryText } from './connection/index.ts';
import { Client, ConnectionError, parseHost, ResponseError } from './index.ts';
import { lowerVersion } from './session.ts';
import { FakeDaemon } from './testing/index.ts';

test('the version is the lower one of both sides, asked once', async () => {
  await using daemon = await FakeDaemon.start({ answer: () => ({ body: [] }), apiVersion: '1.47' });
  const client = new Client(daemon.host);
  await client.networks.list();
  await client.networks.list();
  client.close();
  assert.deepEqual(
    daemon.asked.map(({ path, version }) => `${version}${path}`),
    ['/_ping', '1.47/networks', '1.47/networks'],
  );
  assert.equal(lowerVersion('1.9', '1.24'), '1.9');
  assert.equal(lowerVersion('1.60', '1.51'), '1.51');
});

test('a failure carries the status and the text of the daemon', async () => {
  await using daemon = await FakeDaemon.start({
    answer: () => ({ status: 409, body: { message: 'network with name a already exists' } }),
  });
  const client = new Client(daemon.host);
  await assert.rejects(client.networks.remove('a'), (error: unknown) => {
    assert(error instanceof ResponseError);
    assert.deepEqual(
      [error.status, error.kind, error.message],
      [409, 'conflict', 'network with name a already exists'],
    );
    return true;
  });
  client.close();
});

test('no daemon is said so, with the address', async () => {
  const client = new Client('unix:///nonexistent/fairway.sock');
  await assert.rejects(client.networks.list(), (error: unknown) => {
    assert(error instanceof ConnectionError);
    assert.match(error.message, /^Cannot connect to the Fairway daemon at unix:\/\/\/nonexistent\/fairway\.sock\. Is/);
    return true;
  });
  client.close();
});

test('a taken-over connection goes on giving output after our input has ended', async () => {
  await using daemon = await FakeDaemon.start({
    answer: () => undefined,
    talk: async (_asked, { input, frame, socket }) => {
      frame(1, `got ${await input}`);
      socket.end();
    },
  });
  const client = new Client(daemon.host);
  const connection = await client.containers.attach('c1', { stdin: true, stdout: true, stderr: true });
  assert.equal(connection.raw, false);
  connection.writable.end('all of it');
  const chunks: Buffer[] = [];
  for await (const chunk of connection.readable) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).subarray(8).toString(), 'got all of it');
  assert.equal(daemon.asked.at(-1)?.query.get('stdin'), '1');
  connection.close();
  client.close();
});

test('a name is one segment of the path, whatever it holds', async () => {
  await using daemon = await FakeDaemon.start({ answer: () => ({ status: 204 }) });
  const client = new Client(daemon.host);
  await client.containers.start('../networks/x?y');
  await client.images.tag('localhost:5000/a/b:1', { repo: 'c', tag: 'd' });
  client.close();
  assert.deepEqual(daemon.calls, [
    'POST /containers/..%2Fnetworks%2Fx%3Fy/start',
    'POST /images/localhost:5000/a/b:1/tag',
  ]);
});

test('hosts are read as the stock client reads them', () => {
  assert.deepEqual(parseHost('unix:///run/x.sock'), { path: '/run/x.sock' });
  assert.deepEqual(parseHost('tcp://10.0.0.1:2376'), { host: '10.0.0.1', port: 2376 });
  assert.deepEqual(parseHost('tcp://[::1]'), { host: '::1', port: 2375 });
  for (const bad of ['x', 'unix://', 'ftp://a', 'tcp://a/b']) assert.throws(() => parseHost(bad), /unable to parse/);
});

test('a query leaves out what was not given', () => {
  assert.equal(queryText({ a: undefined, b: true, c: false, d: 0, e: ['x', 'y'] }), '?b=1&c=0&d=0&e=x&e=y');
  assert.equal(queryText(undefined), '');
});
