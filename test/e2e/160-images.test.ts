import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  commandLines,
  type Engine,
  load,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

describe('images', () => {
  test('are listed, tagged, inspected, shown layer by layer and removed', async () => {
    for (const client of commandLines(engine)) {
      assert.match(
        await client('images'),
        /REPOSITORY\s+TAG\s+IMAGE ID\s+CREATED\s+SIZE\nbusybox\s+latest\s+[0-9a-f]{12}\s+/,
        client.name,
      );
      await client('tag', 'busybox', 'example.test/team/app:1.2');
      assert.match(await client('images', 'example.test/team/app'), /example\.test\/team\/app\s+1\.2/, client.name);
      assert.equal(
        await client('image', 'inspect', '-f', '{{.Id}}', 'example.test/team/app:1.2'),
        await client('image', 'inspect', '-f', '{{.Id}}', 'busybox'),
      );
      assert.match(await client('history', 'busybox'), /ADD busybox in \//, client.name);
      assert.equal(
        await client('rmi', 'example.test/team/app:1.2'),
        'Untagged: example.test/team/app:1.2',
        client.name,
      );
    }
    await assertUnchanged(engine.host, clean);
  });

  test('go out by save and come back by load', async () => {
    const { docker, host } = engine;
    for (const client of commandLines(engine)) {
      const archive = join(host.directory, `${client.name}.tar`);
      const id = await docker('image', 'inspect', '-f', '{{.Id}}', 'busybox');
      await client('save', '-o', archive, 'busybox');
      await client('rmi', 'busybox');
      assert.equal(await docker('images', '-q'), '');
      assert.equal((await client('load', '-i', archive)).trim(), 'Loaded image: busybox:latest', client.name);
      assert.equal(await docker('image', 'inspect', '-f', '{{.Id}}', 'busybox'), id);
    }
    await assertUnchanged(host, clean);
  });

  test('are made from the files of a container by export and import', async () => {
    const { docker, host } = engine;
    await docker('create', '--name', 'source', 'busybox');
    const archive = join(host.directory, 'export.tar');
    await docker('export', '-o', archive, 'source');
    for (const client of commandLines(engine)) {
      assert.match(
        await client('import', '-c', 'CMD ["echo", "imported"]', archive, 'flat:1'),
        /^sha256:[0-9a-f]{64}$/,
        client.name,
      );
      assert.equal(await client('run', '--rm', 'flat:1'), 'imported', client.name);
      await client('rmi', 'flat:1');
    }
    await docker('rm', 'source');
    await assertUnchanged(host, clean);
  });

  test('with several layers, deletions and odd files run as they were built', async () => {
    await load(engine, {
      name: 'odd:latest',
      files: { '/opt/a file': 'spaces\n', '/opt/ünïcode': 'names\n' },
      config: { User: '65534', WorkingDir: '/opt', Env: ['PATH=/bin', 'X=1'] },
    });
    const { docker } = engine;
    assert.equal(
      await docker('run', '--rm', 'odd', 'sh', '-c', 'cat "a file" ünïcode; id -u; pwd; echo $X'),
      'spaces\nnames\n65534\n/opt\n1',
    );
    await docker('rmi', 'odd');
    await assertUnchanged(engine.host, clean);
  });

  test('that a container uses are not removed', async () => {
    const { docker } = engine;
    await docker('create', '--name', 'user', 'busybox');
    for (const client of commandLines(engine)) {
      const refused = await client.run(['rmi', 'busybox']);
      assert.equal(refused.code, 1);
      assert.match(
        refused.stderr,
        /conflict: unable to remove repository reference "busybox" \(must force\) - container [0-9a-f]{12} is using its referenced image [0-9a-f]{12}/,
        client.name,
      );
    }
    await docker('rm', 'user');
    await assertUnchanged(engine.host, clean);
  });
});
