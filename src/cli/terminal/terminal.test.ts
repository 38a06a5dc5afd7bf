import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Progress } from '../../client/index.ts';
import type { Output } from '../grammar/index.ts';
import { DetachFilter, parseDetachKeys, showProgress } from './index.ts';

test('the detach keys are found however they were typed, and nothing else is lost', () => {
  const keys = parseDetachKeys('');
  assert.deepEqual([...keys], [0x10, 0x11]);
  const typed = fc.array(fc.constantFrom(0x10, 0x61, 0x62), { maxLength: 12 });
  fc.assert(
    fc.property(typed, fc.integer({ min: 1, max: 4 }), (bytes, step) => {
      const filter = new DetachFilter(keys);
      const all = Buffer.from([...bytes, 0x62, ...keys, 0x63]);
      const passed: number[] = [];
      let detached = false;
      for (let at = 0; at < all.length && !detached; at += step) {
        const result = filter.push(all.subarray(at, at + step));
        passed.push(...result.pass);
        detached = result.detached;
      }
      assert.equal(detached, true);
      assert.deepEqual(passed, [...bytes, 0x62]);
    }),
  );
});

test('detach keys may be letters and controls', () => {
  assert.deepEqual([...parseDetachKeys('ctrl-a,x')], [1, 0x78]);
  assert.throws(() => parseDetachKeys('ctrl-1'), /invalid detach keys/);
});

async function shown(messages: readonly Progress[], isTTY: boolean): Promise<string> {
  const output: PassThrough & Output = Object.assign(new PassThrough(), { isTTY });
  async function* stream(): AsyncGenerator<Progress> {
    yield* messages;
  }
  await showProgress(stream(), output);
  output.end();
  return (await output.toArray()).join('');
}

const PULL: readonly Progress[] = [
  { status: 'Pulling from library/x', id: 'latest' },
  { status: 'Pulling fs layer', id: 'aaaa', progressDetail: {} },
  { status: 'Downloading', id: 'aaaa', progressDetail: { current: 1, total: 2 }, progress: '[=> ] 1B/2B' },
  { status: 'Pull complete', id: 'aaaa', progressDetail: {} },
  { status: 'Status: Downloaded newer image for x:latest' },
];

test('without a terminal only the news of a state is printed', async () => {
  assert.deepEqual((await shown(PULL, false)).trimEnd().split('\n'), [
    'latest: Pulling from library/x',
    'aaaa: Pulling fs layer',
    'aaaa: Pull complete',
    'Status: Downloaded newer image for x:latest',
  ]);
});

test('on a terminal a layer keeps its line', async () => {
  const text = await shown(PULL, true);
  assert(text.includes('aaaa: Pulling fs layer\n\x1b[1A\x1b[2K\raaaa: Downloading [=> ] 1B/2B\r\x1b[1B'), text);
});

test('a failure in the stream is thrown with its text', async () => {
  await assert.rejects(shown([{ error: 'x', errorDetail: { message: 'manifest unknown' } }], false), {
    message: 'manifest unknown',
  });
});
