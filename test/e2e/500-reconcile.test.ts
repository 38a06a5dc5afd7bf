import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, eventually, snapshot, startEngine, timeUntil } from '../support/index.ts';

let engine: Engine;

before(async () => {
  engine = await startEngine();
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** `fairway …` with its exit status and what it printed. */
function fairway(...args: string[]): ReturnType<Engine['fairway']['run']> {
  return engine.fairway.run(args);
}

describe('foreign hands', () => {
  test('are seen by verify, undone by repair, and what is nobody’s goes with gc', async (t) => {
    const { docker, host, daemon } = engine;
    const clean = await snapshot(host);
    await docker('network', 'create', 'net');
    await docker('run', '-d', '--name', 'web', '--network', 'net', '-p', '8080:80', 'busybox', 'httpd', '-f');
    await docker('run', '-d', '--name', 'box', '--network', 'net', 'busybox', 'sleep', '600');
    assert.deepEqual(await fairway('verify'), {
      code: 0,
      stdout: 'KIND      PROBLEM   OBJECT    DETAIL\n',
      stderr: '',
    });

    // Nothing on the host tells of a default route that is deleted inside a container.
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'box');
    await host.ok(['nsenter', '-t', pid, '-n', 'ip', 'route', 'del', 'default']);
    const found = await fairway('verify', '--format', '{{.Kind}} {{.Problem}} {{.ContainerID}}');
    const id = await docker('inspect', '-f', '{{.Id}}', 'box');
    assert.deepEqual([found.code, found.stdout], [1, `route missing ${id}\n`]);
    const repaired = await fairway('repair');
    assert.match(repaired.stdout, /^default via .* dev eth0 in /);
    assert.equal((await fairway('verify')).code, 0);
    assert.match(await docker('exec', 'box', 'ip', 'route'), /^default via/);

    await host.ok(['ip', 'link', 'add', 'left', 'type', 'bridge']);
    await host.ok(['ip', 'link', 'set', 'left', 'alias', `fairway network ${'e'.repeat(64)}`]);
    assert.match((await fairway('verify')).stdout, /^link +orphan +left/m);
    assert.deepEqual(await fairway('repair'), { code: 0, stdout: '', stderr: '' });
    assert.deepEqual(await fairway('gc'), { code: 0, stdout: 'left\n', stderr: '' });
    assert.equal((await fairway('verify')).code, 0);

    // Noticed without being asked.
    const bridge = `br-${(await docker('network', 'inspect', '-f', '{{.Id}}', 'net')).slice(0, 12)}`;
    await host.ok(['ip', 'link', 'del', bridge]);
    const time = await timeUntil(() => docker('exec', 'box', 'ping', '-c1', '-W1', 'web'));
    t.diagnostic(
      `a deleted bridge: containers reach each other again after ${time}, the start of \`docker exec\` included`,
    );
    await eventually(async () => assert.equal((await fairway('verify')).code, 0));
    await docker('exec', 'box', 'ping', '-c1', '-W5', 'web');
    assert.match(daemon.log, /made good what somebody else changed.*/);
    await docker('rm', '-f', 'web', 'box');
    await docker('network', 'rm', 'net');
    await assertUnchanged(host, clean);
  });
});
