import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, type Engine, type Snapshot, snapshot, startEngine } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
  const { docker } = engine;
  await docker('network', 'create', 'net');
  await docker('run', '-d', '--name', 'asker', '--network', 'net', 'busybox', 'sleep', '600');
  await docker(
    'run',
    '-d',
    '--name',
    'Server.One',
    '--network',
    'net',
    '--network-alias',
    'db',
    '-h',
    'hosted',
    'busybox',
    'sleep',
    '600',
  );
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

async function lookUp(name: string, from = 'asker'): Promise<string> {
  const result = await engine.docker.run(['exec', from, 'nslookup', name]);
  return result.stdout + result.stderr;
}

describe('names', () => {
  test('of a container, its aliases, short id and hostname lead to its address, whatever the case', async () => {
    const id = await engine.docker('inspect', '-f', '{{.Id}}', 'Server.One');
    for (const name of [
      'Server.One',
      'server.one',
      'DB',
      'db',
      id.slice(0, 12),
      'hosted',
      'db.net',
      'Server.One.net',
    ]) {
      assert.match(await lookUp(name), /Address: 172\.18\.0\.3/, name);
    }
  });

  test('come back from an address, with the network behind', async () => {
    assert.match(await lookUp('172.18.0.3'), /3\.0\.18\.172\.in-addr\.arpa\s+name = Server\.One\.net/i);
  });

  test('that nobody has are asked of the host’s resolver, by UDP', async () => {
    assert.match(await lookUp('something.lan.test'), /Address: 10\.99\.0\.254/);
    assert.match(await lookUp('nothing.example'), /NXDOMAIN/);
  });

  test('of an address family a container has not are not asked of anybody', async () => {
    const answer = await engine.docker.run(['exec', 'asker', 'nslookup', '-type=aaaa', 'db']);
    assert.doesNotMatch(answer.stdout + answer.stderr, /NXDOMAIN/);
  });

  test('are not asked of the host from an internal network', async () => {
    const { docker } = engine;
    await docker('network', 'create', '--internal', 'closed');
    await docker('run', '-d', '--name', 'inside', '--network', 'closed', 'busybox', 'sleep', '600');
    assert.doesNotMatch(await lookUp('something.lan.test', 'inside'), /10\.99\.0\.254/);
    assert.match(await lookUp('inside', 'inside'), /Address: 172\.\d+\.0\.2/);
    await docker('rm', '-f', 'inside');
    await docker('network', 'rm', 'closed');
  });

  test('change with renaming, connecting and disconnecting', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'moving', '--network', 'net', 'busybox', 'sleep', '600');
    assert.match(await lookUp('moving'), /Address: 172\.18\.0\.4/);
    await docker('rename', 'moving', 'moved');
    assert.match(await lookUp('moved'), /Address: 172\.18\.0\.4/);
    assert.doesNotMatch(await lookUp('moving'), /172\.18\.0\.4/);
    await docker('network', 'disconnect', 'net', 'moved');
    assert.doesNotMatch(await lookUp('moved'), /172\.18\.0\.4/);
    await docker('network', 'connect', '--alias', 'back', 'net', 'moved');
    assert.match(await lookUp('back'), /Address: 172\.18\.0\.4/);
    await docker('rm', '-f', 'moved');
  });

  test('shared by two containers lead to both', async () => {
    const { docker } = engine;
    for (const name of ['one', 'two']) {
      await docker(
        'run',
        '-d',
        '--name',
        name,
        '--network',
        'net',
        '--network-alias',
        'both',
        'busybox',
        'sleep',
        '600',
      );
    }
    const answer = await lookUp('both');
    assert.match(answer, /172\.18\.0\.4/);
    assert.match(answer, /172\.18\.0\.5/);
    await docker('rm', '-f', 'one', 'two');
  });

  test('of links are known to the linked container alone', async () => {
    const { docker } = engine;
    await docker(
      'run',
      '-d',
      '--name',
      'linked',
      '--network',
      'net',
      '--link',
      'Server.One:nick',
      'busybox',
      'sleep',
      '600',
    );
    assert.match(await lookUp('nick', 'linked'), /Address: 172\.18\.0\.3/);
    assert.doesNotMatch(await lookUp('nick'), /172\.18\.0\.3/);
    await docker('rm', '-f', 'linked');
  });

  test('leave port 53 to applications', async () => {
    const { docker } = engine;
    await docker('exec', '-d', 'asker', 'nc', '-ll', '-p', '53', '-e', 'echo', 'application');
    assert.equal(
      await docker('run', '--rm', '--network', 'net', 'busybox', 'timeout', '5', 'nc', 'asker', '53'),
      'application',
    );
    assert.match(await lookUp('db'), /Address: 172\.18\.0\.3/);
  });

  test('leave nothing', async () => {
    await engine.docker('rm', '-f', 'asker', 'Server.One');
    await engine.docker('network', 'rm', 'net');
    await assertUnchanged(engine.host, clean);
  });
});
