import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId, parseIp } from '../../base/index.ts';
import type { UnderlayEncryption } from '../../model/index.ts';
import { CurrentEncryption, policiesOf } from './index.ts';
import { FakeEsp } from './testing/fake-esp.ts';

const PORT = 4790;

test('in no cluster nothing begins to be encrypted, and what an earlier daemon left goes with its last network', async () => {
  const esp = new FakeEsp(parseIp('192.0.2.1'));
  const opened: FakeEsp[] = [];
  const openEsp = (): FakeEsp => {
    opened.push(esp);
    return esp;
  };
  for (const policy of policiesOf(parseIp('192.0.2.1'), PORT, [])) esp.set(policy);
  const encryption = new CurrentEncryption({ openEsp }, { port: PORT });
  const [one, two] = [newId(), newId()];
  await assert.rejects(encryption.hold(one), { code: 'no_cluster' });
  assert.throws(() => encryption.requireSupport(), { code: 'no_cluster' });
  // Nobody opens the kernel's part for nothing.
  await encryption.sweep();
  assert.equal(opened.length, 0);
  encryption.restore(one);
  encryption.restore(two);
  await encryption.release(one);
  assert.equal(esp.policies().length, 2);
  await encryption.release(two);
  assert.deepEqual(esp.policies(), []);
});

test('in a cluster it is that one’s, which hears of what was there before', async () => {
  const asked: string[] = [];
  const theirs: UnderlayEncryption = {
    ...{ port: PORT, overhead: 0, requireSupport: () => asked.push('support') },
    hold: async (id) => void asked.push(`hold ${id}`),
    restore: (id) => void asked.push(`restore ${id}`),
    release: async (id) => void asked.push(`release ${id}`),
    sweep: async () => void asked.push('sweep'),
  };
  const encryption = new CurrentEncryption({ openEsp: () => assert.fail() }, { port: PORT });
  const [one, two] = [newId(), newId()];
  encryption.restore(one);
  encryption.begin(theirs);
  encryption.requireSupport();
  await encryption.hold(two);
  await encryption.sweep();
  await encryption.release(two);
  assert.deepEqual(asked, [`restore ${one}`, 'support', `hold ${two}`, 'sweep', `release ${two}`]);
  encryption.end();
  await assert.rejects(encryption.hold(two), { code: 'no_cluster' });
});
