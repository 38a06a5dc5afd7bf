import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, type Snapshot, snapshot, startEngine, TestLan } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const sleeper = ['busybox', 'sleep', '600'];
const reachesLan = (name: string): Promise<string> =>
  engine.docker('exec', name, 'ping', '-c', '1', '-W', '5', TestLan.address);
const addresses = (name: string): Promise<string> =>
  engine.docker('exec', name, 'ip', '-o', '-4', 'addr', 'show', 'eth0');

async function reachesPort(): Promise<void> {
  const { lan, host } = engine;
  const url = `http://${host.address}:8080/group`;
  assert.match(await lan.ok(['busybox', 'timeout', '10', 'busybox', 'wget', '-qO-', url]), /root/);
}

/** A parent that publishes a port, and a neighbour in its namespace that serves it. */
async function runPair(): Promise<void> {
  const { docker } = engine;
  await docker('run', '-d', '--name', 'parent', '-p', '8080:80', ...sleeper);
  await docker(
    'run',
    '-d',
    '--name',
    'beside',
    '--network',
    'container:parent',
    'busybox',
    'httpd',
    '-f',
    '-h',
    '/etc',
  );
  await reachesPort();
}

describe('a container in the namespace of another', () => {
  test('stays connected while that one restarts, and both are in one namespace afterwards', async () => {
    const { docker } = engine;
    await runPair();
    const before = await addresses('beside');
    await docker('restart', '-t', '0', 'parent');
    await reachesPort();
    await reachesLan('beside');
    await reachesLan('parent');
    assert.equal(await addresses('beside'), before);
    assert.equal(await addresses('parent'), before);
    await docker('rm', '-f', 'beside', 'parent');
    await assertUnchanged(engine.host, clean);
  });

  test('stays connected while that one is stopped, over a kill of the daemon too; the last one clears up', async () => {
    const { docker, daemon } = engine;
    await runPair();
    await docker('stop', '-t', '0', 'parent');
    await reachesPort();
    await daemon.killHard();
    await daemon.start();
    await reachesPort();
    await docker('start', 'parent');
    await reachesLan('parent');
    await docker('stop', '-t', '0', 'parent');
    await docker('rm', '-f', 'beside');
    await assertUnchanged(engine.host, { ...clean, files: (await snapshot(engine.host)).files });
    await docker('start', 'parent');
    await reachesLan('parent');
    await docker('rm', '-f', 'parent');
    await assertUnchanged(engine.host, clean);
  });

  test('loses the network with the container it came from', async () => {
    const { docker } = engine;
    await runPair();
    await docker('network', 'create', 'more');
    await docker('stop', '-t', '0', 'parent');
    await docker('network', 'connect', 'more', 'parent');
    assert.match(await docker('exec', 'beside', 'ip', 'link'), /eth1/);
    await docker('rm', 'parent');
    assert.notEqual((await docker.run(['exec', 'beside', 'ping', '-c', '1', '-W', '1', TestLan.address])).code, 0);
    await docker('rm', '-f', 'beside');
    await docker('network', 'rm', 'more');
    await assertUnchanged(engine.host, clean);
  });
});
