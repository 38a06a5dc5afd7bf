import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  Daemon,
  type Engine,
  eventually,
  snapshot,
  startEngine,
  TestHost,
  TestLan,
} from '../support/index.ts';
import { stopChild } from '../support/lan.ts';

let engine: Engine;

before(async () => {
  engine = await startEngine();
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

describe('a dead containerd', () => {
  test('is started again, and containers did not notice', async () => {
    const { docker, host } = engine;
    const clean = await snapshot(host);
    await docker('run', '-d', '--name', 'box', 'busybox', 'sh', '-c', 'while sleep 0.1; do echo tick; done');
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'box');
    const containerd = host.processes().find(({ command }) => command === 'containerd');
    assert.ok(containerd);
    process.kill(containerd.pid, 'SIGKILL');
    await eventually(async () => assert.equal(await docker('run', '--rm', 'busybox', 'echo', 'again'), 'again'));
    assert.equal(await docker('inspect', '-f', '{{.State.Pid}} {{.State.Running}}', 'box'), `${pid} true`);
    const lines = (await docker('logs', 'box')).length;
    await eventually(async () => assert.ok((await docker('logs', 'box')).length > lines));
    // The exit of a container that was running before is still noticed.
    const waiting = docker('wait', 'box');
    await docker('kill', 'box');
    assert.equal(await waiting, '137');
    // What a run in the middle of it could not finish is gone or can be removed.
    const left = await docker('ps', '-aq');
    await docker('rm', '-f', ...left.split('\n'));
    await assertUnchanged(host, clean);
  });

  test('of somebody else’s is named in the error, nothing is left, and it goes on when that one is back', async () => {
    await using lan = await TestLan.start();
    await using host = await TestHost.start(lan);
    const folder = join(host.directory, 'their-containerd');
    mkdirSync(folder);
    const socket = `${folder}/containerd.sock`;
    writeFileSync(
      join(folder, 'config.toml'),
      `version = 2\nroot = "${folder}/root"\nstate = "${folder}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${socket}"\n`,
    );
    const start = () => {
      const [program = '', ...args] = host.inside(['containerd', '--config', join(folder, 'config.toml')]);
      return spawn(program, args, { stdio: 'ignore' });
    };
    const refused = await host.run([join(import.meta.dirname, '../../bin/fairwayd'), '--containerd', socket]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr + refused.stdout, /cannot reach containerd at ".*containerd\.sock"/);

    let containerd = start();
    await eventually(() => host.ok(['test', '-S', socket]));
    await using daemon = await Daemon.start(host, ['--containerd', socket, '--containerd-namespace', 'theirs']);
    const before = await snapshot(host);
    await stopChild(containerd);
    const { get } = await import('node:http');
    const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      get({ socketPath: daemon.socket, path: '/v1.41/images/json' }, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += String(chunk)));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      }).on('error', reject);
    });
    assert.equal(answer.status, 503);
    assert.match(answer.body, /cannot reach containerd at/);
    containerd = start();
    await eventually(() => host.ok(['test', '-S', socket]));
    await assertUnchanged(host, before);
    containerd.kill('SIGKILL');
  });
});
