import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { FairwayError } from '../base/index.ts';
import { loadConfig } from './load.ts';
import { OPTIONS } from './options.ts';

const SEED = Number(process.env.FAIRWAY_SEED ?? 20_260_101);
const RUNS = Number(process.env.FAIRWAY_RUNS ?? 200);

const keys = OPTIONS.flatMap(({ key }) => key ?? []);
const value = fc.oneof(
  fc.constantFrom(
    '',
    '10.0.0.1',
    '10.1.0.0/16',
    'fd00::/48',
    'true',
    '-1',
    '1g',
    'a=b',
    '/x',
    'unix:///x',
    'tcp://[::1]:1',
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

/** It is understood, or refused with an error that was made to be read. */
function judged(text: string, args: readonly string[] = []): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'fairway-config-'));
  try {
    const path = join(folder, 'daemon.json');
    writeFileSync(path, text);
    loadConfig(['--config-file', path, ...args]);
    return true;
  } catch (error) {
    assert.ok(error instanceof FairwayError, String(error instanceof Error ? error.stack : error));
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('any daemon.json is understood or refused, by name', () => {
  let understood = 0;
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 3 }), (file) => {
      understood += Number(judged(JSON.stringify(file)));
    }),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(understood > 0);
});

test('any text in place of daemon.json is understood or refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      judged(text);
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

test('any flags are understood or refused, by name', () => {
  const flags = OPTIONS.flatMap(({ flag }) => flag ?? []);
  const one = fc.tuple(
    fc.constantFrom(...flags),
    fc.oneof(
      fc.string(),
      value.map((one) => JSON.stringify(one)),
    ),
  );
  fc.assert(
    fc.property(fc.array(one, { maxLength: 3 }), (given) => {
      judged(
        '{}',
        given.map(([flag, text]) => `--${flag}=${text}`),
      );
    }),
    { seed: SEED, numRuns: RUNS },
  );
});
