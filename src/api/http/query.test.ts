import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boolFilter, boolOf, filtersOf, intOf, passesLabels, timeOf } from './query.ts';

const query = (text: string): URLSearchParams => new URLSearchParams(text);

test('a boolean parameter is read as Go reads it', () => {
  for (const text of ['a=1', 'a=true', 'a=yes', 'a=x']) assert.equal(boolOf(query(text), 'a'), true, text);
  for (const text of ['a=0', 'a=false', 'a=', 'a=No', '']) assert.equal(boolOf(query(text), 'a'), false, text);
  assert.equal(boolOf(query(''), 'a', true), true);
});

test('filters are read in both forms, and what nobody knows is refused', () => {
  assert.deepEqual(filtersOf(query('filters={"a":["1","2"]}'), ['a']), { a: ['1', '2'] });
  assert.deepEqual(filtersOf(query('filters={"a":{"1":true,"2":false}}'), ['a']), { a: ['1'] });
  assert.throws(() => filtersOf(query('filters={"b":["1"]}'), ['a']), /invalid filter 'b'/);
  assert.throws(() => filtersOf(query('filters={"a":7}'), ['a']), /invalid filter 'a=7'/);
  assert.equal(boolFilter({ dangling: ['true', '1'] }, 'dangling'), true);
  assert.throws(
    () => boolFilter({ dangling: ['true', 'false'] }, 'dangling'),
    /invalid filter 'dangling=\[true false\]'/,
  );
});

test('labels must be there, or must not, by key or by key and value', () => {
  const labels = { a: '1', b: '' };
  assert.equal(passesLabels(labels, { label: ['a', 'a=1', 'b='] }), true);
  assert.equal(passesLabels(labels, { label: ['a=2'] }), false);
  assert.equal(passesLabels(labels, { 'label!': ['a=2', 'c'] }), true);
  assert.equal(passesLabels(labels, { 'label!': ['b'] }), false);
});

test('times are seconds, dates or spans back from now', () => {
  assert.equal(timeOf('1700000000', 0), 1_700_000_000_000_000_000n);
  assert.equal(timeOf('1700000000.000000001', 0), 1_700_000_000_000_000_001n);
  assert.equal(timeOf('2026-01-01T00:00:00.123456789Z', 0), 1_767_225_600_123_456_789n);
  assert.equal(timeOf('1h1m', 3_660_000), 0n);
  assert.equal(timeOf('1.5s', 2000), 500_000_000n);
  assert.throws(() => timeOf('soon', 0), /invalid timestamp "soon"/);
  assert.throws(() => intOf(query('t=x'), 't'), /"t".*invalid syntax/);
});
