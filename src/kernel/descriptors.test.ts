import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseIp } from '../base/index.ts';
import {
  connectUnix,
  DatagramBatch,
  descriptorOf,
  duplicateFd,
  localPort,
  openFdCount,
  openUdpSocketIn,
  passDescriptors,
  peerAddress,
  takeDescriptors,
} from './index.ts';

const LOOPBACK = parseIp('127.0.0.1');

describe('descriptors', () => {
  it('are passed over a unix socket, each text with its own', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fwt-fds-'));
    const path = join(folder, 'socket');
    const server = createServer();
    server.listen(path);
    await once(server, 'listening');
    const before = openFdCount();
    {
      using client = connectUnix(path, 5000);
      const [accepted] = (await once(server, 'connection')) as [Socket];
      const fd = openUdpSocketIn(undefined, LOOPBACK, 0);
      passDescriptors(descriptorOf(accepted), 'both\n', [fd, fd]);
      passDescriptors(descriptorOf(accepted), 'one\n', [fd]);
      passDescriptors(descriptorOf(accepted), 'end\n', []);
      const first = takeDescriptors(client.fd);
      assert.equal(first.text, 'both\n');
      assert.equal(first.descriptors.length, 2);
      const second = takeDescriptors(client.fd);
      assert.deepEqual([second.text, second.descriptors.length], ['one\n', 1]);
      assert.equal(localPort(second.descriptors[0] ?? -1), localPort(fd));
      assert.equal(takeDescriptors(client.fd).text, 'end\n');
      for (const descriptor of [...first.descriptors, ...second.descriptors, fd]) closeSync(descriptor);
      accepted.destroy();
      assert.deepEqual(takeDescriptors(client.fd), { text: '', descriptors: [] });
      assert.throws(() => connectUnix(join(folder, 'nobody'), 1), { code: 'ENOENT' });
    }
    assert.equal(openFdCount(), before);
    server.close();
    rmSync(folder, { recursive: true });
  });
});

describe('datagrams', () => {
  it('are received and answered many at a time, each to its sender', () => {
    const server = openUdpSocketIn(undefined, LOOPBACK, 0);
    const clients = Array.from({ length: 5 }, () => openUdpSocketIn(undefined, LOOPBACK, 0));
    const to = peerAddress(LOOPBACK, localPort(server));
    const batch = new DatagramBatch({ slots: 3, size: 64 });
    assert.equal(batch.receive(server), 0);
    clients.forEach((client, index) => {
      batch.reply(client, Buffer.from('x'.repeat(index * 20)), to);
      batch.flush();
    });
    const sizes: number[] = [];
    for (let count = batch.receive(server); count > 0; count = batch.receive(server)) {
      for (let index = 0; index < count; index += 1) {
        sizes.push(batch.data(index).length);
        batch.reply(server, Buffer.from(`answer ${batch.data(index).length}`), batch.peer(index));
      }
    }
    batch.flush();
    // What is larger than a slot is cut off.
    assert.deepEqual(sizes, [0, 20, 40, 60, 64]);
    const answers = clients.map((client) => {
      assert.equal(batch.receive(client), 1);
      return batch.data(0).toString();
    });
    assert.deepEqual(answers, ['answer 0', 'answer 20', 'answer 40', 'answer 60', 'answer 64']);
    for (const fd of [server, ...clients]) closeSync(fd);
  });

  it('to a peer that is gone disturb nobody', () => {
    const server = openUdpSocketIn(undefined, LOOPBACK, 0);
    const client = openUdpSocketIn(undefined, LOOPBACK, 0);
    const gone = openUdpSocketIn(undefined, LOOPBACK, 0);
    const batch = new DatagramBatch();
    const nobody = peerAddress(LOOPBACK, localPort(gone));
    closeSync(gone);
    for (const peer of [nobody, nobody, peerAddress(LOOPBACK, localPort(client)), nobody]) {
      batch.reply(server, Buffer.from('answer'), peer);
    }
    batch.flush();
    assert.equal(batch.receive(client), 1);
    assert.equal(batch.receive(server), 0);
    using again = duplicateFd(server);
    closeSync(server);
    batch.reply(again.fd, Buffer.from('late'), peerAddress(LOOPBACK, localPort(client)));
    batch.flush();
    assert.equal(batch.receive(client), 1);
    assert.equal(batch.data(0).toString(), 'late');
    closeSync(client);
  });
});
