import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isRunning, processIdentity } from './process.ts';

describe('a process', () => {
  it('is known by pid and start time', async () => {
    const self = await processIdentity(process.pid);
    assert.ok(self);
    assert.equal(await isRunning(self), true);
    assert.equal(await isRunning({ ...self, startedAt: '1' }), false);
  });

  it('is nobody when there is none', async () => {
    assert.equal(await processIdentity(0), null);
    assert.equal(await processIdentity(2 ** 30), null);
  });
});
