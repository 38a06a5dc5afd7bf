import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, describe, it } from 'node:test';
import { endForgottenShims } from './shims.ts';

describe('forgotten shims', () => {
  const children: ChildProcess[] = [];
  const socketPath = `/nowhere/fairway-test-${process.pid}.sock`;

  /** A process that looks like a shim of that container. */
  async function pretend(
    namespace: string,
    id: string,
  ): Promise<{ ended: Promise<NodeJS.Signals | null>; pid: number }> {
    const flags = ['-namespace', namespace, '-id', id, '-address', socketPath];
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', ...flags], {
      argv0: '/usr/bin/containerd-shim-runc-v2',
      stdio: 'ignore',
    });
    children.push(child);
    const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    await new Promise((resolve) => child.once('spawn', resolve));
    return { ended, pid: child.pid ?? 0 };
  }

  after(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  it('are ended, and no others', async () => {
    const lost = await pretend('ours', 'lost');
    const known = await pretend('ours', 'known');
    const foreign = await pretend('theirs', 'foreign');
    const task = {
      containerId: 'known',
      execId: null,
      pid: 1,
      status: 'running',
      stdin: '',
      stdout: '',
      stderr: '',
      terminal: false,
      exitCode: 0,
      exitedAt: 0n,
    } as const;
    const client = { socketPath, namespace: 'ours', tasks: { list: async () => [task] } };
    const runtime = { program: '/bin/false' };
    assert.deepEqual(await endForgottenShims(client, { runtime }), [task]);
    assert.equal(await lost.ended, 'SIGKILL');
    for (const { pid } of [known, foreign]) assert.equal(process.kill(pid, 0), true);
    await endForgottenShims(client, { runtime });
    for (const { pid } of [known, foreign]) assert.equal(process.kill(pid, 0), true);
  });
});
