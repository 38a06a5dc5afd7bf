import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { IntervalSet } from './interval-set.ts';

describe('IntervalSet', () => {
  it('behaves like a set of numbers', () => {
    const step = fc.record({ add: fc.boolean(), value: fc.bigInt({ min: 0n, max: 12n }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const set = new IntervalSet();
        const expected = new Set<bigint>();
        for (const { add, value } of steps) {
          const changes = expected.has(value) !== add;
          assert.equal(add ? set.add(value) : set.delete(value), changes);
          if (add) expected.add(value);
          else expected.delete(value);
          for (let probe = 0n; probe <= 13n; probe += 1n) {
            assert.equal(set.has(probe), expected.has(probe));
            let missing = probe;
            while (expected.has(missing)) missing += 1n;
            assert.equal(set.firstMissing(probe), missing);
          }
        }
      }),
      { numRuns: 200, seed: 7 },
    );
  });
});
