import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ClientOutput } from './client-output.ts';
import { DetachFilter, parseDetachKeys } from './detach-keys.ts';

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'fwt-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

async function allOf(output: ClientOutput): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of output) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function numbers(from: number, to: number): Buffer {
  return Buffer.from(Array.from({ length: to - from }, (_, index) => `${from + index}\n`).join(''));
}

describe('the output of one client', () => {
  it('takes everything at once, keeps it outside of memory, and gives it back in order', async () => {
    using folder = new Folder();
    const output = new ClientOutput({ spillFolder: folder.path, memoryBytes: 10_000 });
    for (let at = 0; at < 100_000; at += 1_000) output.offer(numbers(at, at + 1_000));
    assert.ok(output.readableLength < 150_000, 'most of it waits in the file');
    assert.deepEqual(readdirSync(folder.path), [], 'the file has no name');
    const reading = allOf(output);
    output.offer(numbers(100_000, 100_001));
    output.finish();
    assert.deepEqual(await reading, numbers(0, 100_001));
  });

  it('lets a client go that is too far behind', async () => {
    using folder = new Folder();
    const output = new ClientOutput({ spillFolder: folder.path, memoryBytes: 1_000, spillBytes: 500_000 });
    const failed = new Promise<Error>((resolve) => output.once('error', resolve));
    for (let at = 0; at < 10; at += 1) output.offer(Buffer.alloc(100_000));
    assert.equal((await failed).message, 'the reader is too far behind');
    output.offer(Buffer.alloc(1_000));
  });

  it('shows what was before first', async () => {
    using folder = new Folder();
    const output = new ClientOutput({ spillFolder: folder.path });
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    async function* before(): AsyncGenerator<Buffer> {
      yield Buffer.from('a');
      await gate;
      yield Buffer.from('b');
    }
    const preceding = output.precede(before());
    output.offer(Buffer.from('c'));
    output.finish();
    release();
    await preceding;
    assert.equal((await allOf(output)).toString(), 'abc');
  });
});

describe('detach keys', () => {
  it('are spelled as Docker spells them', () => {
    assert.deepEqual([...parseDetachKeys('ctrl-p,ctrl-q')], [16, 17]);
    assert.deepEqual([...parseDetachKeys('a,ctrl-@,ctrl-[,ctrl-_')], [97, 0, 27, 31]);
    assert.throws(() => parseDetachKeys('ctrl-,x'), { message: 'Invalid detach keys (ctrl-,x) provided' });
  });

  it('are found over the borders of chunks, and passed on when they are not complete', () => {
    const filter = new DetachFilter(parseDetachKeys('ctrl-p,ctrl-q'));
    assert.deepEqual(filter.filter(Buffer.from('ab\x10')), { data: Buffer.from('ab'), detached: false });
    assert.deepEqual(filter.filter(Buffer.from('c\x10\x10')), { data: Buffer.from('\x10c\x10'), detached: false });
    assert.deepEqual(filter.filter(Buffer.from('\x11rest')), { data: Buffer.alloc(0), detached: true });
  });
});
