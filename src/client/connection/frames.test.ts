import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameSplitter } from './frames.ts';

function frame(stream: number, body: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

test('frames come out whole however the bytes were cut', () => {
  const bodies = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 40 })), { maxLength: 8 });
  fc.assert(
    fc.property(bodies, fc.integer({ min: 1, max: 13 }), (frames, step) => {
      const wire = Buffer.concat(frames.map(([stream, body]) => frame(stream, Buffer.from(body))));
      const got = { stdout: [] as number[], stderr: [] as number[] };
      const splitter = new FrameSplitter((name, bytes) => got[name].push(...bytes));
      for (let at = 0; at < wire.length; at += step) splitter.push(wire.subarray(at, at + step));
      const wanted = (stream: number) => frames.filter(([s]) => s === stream).flatMap(([, body]) => [...body]);
      assert.deepEqual(got.stdout, wanted(1));
      assert.deepEqual(got.stderr, wanted(2));
    }),
  );
});

test('a frame on the error stream is kept as the failure', () => {
  const splitter = new FrameSplitter(() => assert.fail('nothing to deliver'));
  splitter.push(frame(3, Buffer.from('disk on fire')));
  assert.equal(splitter.failure, 'disk on fire');
});
