import assert from 'node:assert/strict';
import { it } from 'node:test';
import { newId } from '../../base/index.ts';
import { setUp, specOf } from '../testing/index.ts';

it('an exec that ran when the machine was restarted is known afterwards, whichever outputs it had', async () => {
  await using setup = await setUp();
  const { id: containerId } = await setup.parts.containers.create({ name: 'box', spec: specOf(), networks: [] });
  const options = { cmd: ['sleep', '9'], env: [], tty: false, privileged: false };
  const ids: string[] = [];
  for (const [stdout, stderr] of [
    [true, false],
    [false, true],
    [true, true],
  ]) {
    const id = newId();
    ids.push(id);
    const value = { version: 1, id, containerId, options, pid: 7, pipes: { stdin: false, stdout, stderr } };
    await setup.store.commit([{ put: `execs/${id}`, value }]);
  }
  const { execs } = await setup.next();
  assert.deepEqual(
    ids.map((id) => execs.inspect(id).containerId),
    [containerId, containerId, containerId],
  );
});
