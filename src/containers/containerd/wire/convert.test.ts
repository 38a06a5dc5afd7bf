import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jsonAny, nanosOf, typeName } from './convert.ts';
import { Schema } from './schema.ts';

describe('values of the wire', () => {
  it('become nanoseconds, and 0 for never', () => {
    assert.equal(nanosOf({ seconds: '1700000000', nanos: 5 }), 1_700_000_000_000_000_005n);
    assert.equal(nanosOf({ seconds: '-62135596800', nanos: 0 }), 0n);
    assert.equal(nanosOf(null), 0n);
  });

  it('carry their type with or without a host', () => {
    assert.equal(typeName('types.containerd.io/containerd.events.TaskExit'), 'containerd.events.TaskExit');
    assert.equal(typeName('containerd.events.TaskExit'), 'containerd.events.TaskExit');
    assert.deepEqual(JSON.parse(jsonAny('x', { a: 1 }).value.toString()), { a: 1 });
  });

  it('are known by name, and nothing else is', async () => {
    const schema = await Schema.load();
    const bytes = schema.encode('payloads.TaskStart', { containerId: 'a', pid: 7 });
    assert.deepEqual({ ...schema.decode('payloads.TaskStart', bytes) }, { containerId: 'a', pid: 7 });
    assert.throws(() => schema.encode('payloads.Nothing', {}), TypeError);
    assert.throws(() => schema.method('tasks.v1.Tasks', 'Nothing'), TypeError);
  });
});
