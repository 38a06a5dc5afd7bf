import assert from 'node:assert/strict';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DescriptorQueue } from '../descriptor-queue.ts';
import { openFdCount, Readiness } from '../ffi/index.ts';
import { bytesInPipe, makeFifo, makePipe, movePipe, showPipe } from './fifo.ts';

const text = (fd: number): string => {
  const buffer = Buffer.alloc(100);
  return buffer.toString('utf8', 0, readSync(fd, buffer, 0, 100, null));
};

describe('pipes', () => {
  it('are moved and shown without reading them', () => {
    const [from, to] = [makePipe(), makePipe()];
    try {
      writeSync(from.write.fd, 'hello world');
      assert.equal(showPipe(from.read.fd, to.write.fd, 5), 5);
      assert.equal(text(to.read.fd), 'hello');
      assert.equal(bytesInPipe(from.read.fd), 11);
      assert.equal(movePipe(from.read.fd, to.write.fd, 6), 6);
      assert.equal(bytesInPipe(from.read.fd), 5);
      assert.equal(text(to.read.fd), 'hello ');
      assert.equal(showPipe(to.read.fd, from.write.fd, 1), undefined);
      assert.equal(movePipe(to.read.fd, from.write.fd, 1), undefined);
      from.write.close();
      assert.equal(movePipe(from.read.fd, to.write.fd, 100), 5);
      assert.equal(movePipe(from.read.fd, to.write.fd, 100), 0);
    } finally {
      for (const { read, write } of [from, to]) {
        read.close();
        write.close();
      }
    }
  });

  it('tell when there is something to read, once for each time they are asked, and when nobody writes any more', async () => {
    const before = openFdCount();
    const readiness = new Readiness();
    const pipe = makePipe();
    let told = Promise.withResolvers<void>();
    let count = 0;
    const watch = readiness.watch(pipe.read.fd, () => {
      count += 1;
      told.resolve();
    });
    writeSync(pipe.write.fd, 'a');
    await told.promise;
    writeSync(pipe.write.fd, 'b');
    assert.equal(text(pipe.read.fd), 'ab');
    told = Promise.withResolvers();
    watch.rearm();
    writeSync(pipe.write.fd, 'c');
    await told.promise;
    assert.equal(count, 2);
    assert.equal(text(pipe.read.fd), 'c');
    told = Promise.withResolvers();
    watch.rearm();
    pipe.write.close();
    await told.promise;
    watch.stop();
    watch.stop();
    pipe.read.close();
    // The thread of the pool comes back and the descriptors go: were it otherwise, this test would not end.
    while (openFdCount() > before) await new Promise((resolve) => setImmediate(resolve));
  });

  it('stay open in a queue that nobody reads, until they are dropped', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fwt-'));
    const path = join(folder, 'pipe');
    makeFifo(path);
    using queue = new DescriptorQueue();
    const open = (how: number): number => openSync(path, how | constants.O_NONBLOCK);
    const reader = open(constants.O_RDONLY);
    assert.equal(queue.push([reader, reader]), true);
    assert.equal(queue.push([reader]), true);
    closeSync(reader);
    queue.drop();
    const writer = open(constants.O_WRONLY);
    writeSync(writer, 'kept');
    closeSync(writer);
    const next = open(constants.O_RDONLY);
    assert.equal(text(next), 'kept');
    closeSync(next);
    queue.drop();
    assert.throws(() => open(constants.O_WRONLY), { code: 'ENXIO' });
    rmSync(folder, { recursive: true });
  });

  it('stay open by the hundred', () => {
    using queue = new DescriptorQueue();
    const before = openFdCount();
    const pipe = makePipe();
    for (let count = 0; count < 1000; count += 1) assert.equal(queue.push([pipe.read.fd, pipe.write.fd]), true);
    pipe.read.close();
    pipe.write.close();
    assert.equal(openFdCount(), before);
  });
});
