import assert from 'node:assert/strict';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  commandLines,
  type Engine,
  eventually,
  ok,
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

function folder(name: string): string {
  const path = join(engine.host.directory, name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Files of every kind, in a folder of a container: owners, modes, two names of one file, links, a pipe, a device. */
const MAKE = `mkdir -p /made/deep && cd /made && echo text >file && chown 33:34 file && chmod 4750 file
ln file twin; ln -s file link; mkfifo pipe; mknod null c 1 3; touch -d @1000000000 deep/old; mkdir -m 1777 sticky`;
const LOOK =
  'cd $0 && stat -c "%n %F %a %u:%g %h" file twin pipe null sticky; readlink link; stat -c %Y deep/old; [ file -ef twin ] && echo same';
const SEEN = [
  'file regular file 4750 33:34 2',
  'twin regular file 4750 33:34 2',
  'pipe fifo 644 0:0 1',
  'null character special file 644 0:0 1',
  'sticky directory 1777 0:0 2',
  'file',
  '1000000000',
  'same',
].join('\n');

/** cap_net_bind_service, permitted and effective, as the kernel keeps it with a file. */
const CAPABILITY = '0100000200040000000000000000000000000000';
const ATTRIBUTE = 'security.capability';

async function setCapability(path: string): Promise<void> {
  await ok(['python3', '-c', `import os; os.setxattr("${path}", "${ATTRIBUTE}", bytes.fromhex("${CAPABILITY}"))`]);
}

async function capabilityOf(path: string): Promise<string> {
  return (await ok(['python3', '-c', `import os; print(os.getxattr("${path}", "${ATTRIBUTE}").hex())`])).trim();
}

/** A running container's files, as the host sees them. */
async function rootOf(name: string): Promise<string> {
  return `/proc/${await engine.docker('inspect', '-f', '{{.State.Pid}}', name)}/root`;
}

describe('cp', () => {
  test('keeps kinds, owners, modes, times, capabilities and names of one file', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'from', 'busybox', 'sh', '-c', `${MAKE}; sleep 600`);
    await docker('run', '-d', '--name', 'to', 'busybox', 'sleep', '600');
    await docker('run', '-d', '--name', 'user', '-u', '77:78', 'busybox', 'sleep', '600');
    await eventually(() => docker('exec', 'from', 'test', '-e', '/made/sticky'));
    await setCapability(`${await rootOf('from')}/made/file`);
    for (const client of commandLines(engine)) {
      const { bytes: input = '' } = await client.run(['cp', '-a', 'from:/made', '-'], { binary: true });
      const target = `/of-${client.name}`;
      await docker('exec', 'to', 'mkdir', target);
      const unpacked = await client.run(['cp', '-a', '-', `to:${target}`], { input });
      assert.equal(unpacked.code, 0, client.name + unpacked.stderr);
      assert.equal(await capabilityOf(`${await rootOf('to')}${target}/made/file`), CAPABILITY, client.name);
      assert.equal(await docker('exec', 'to', 'sh', '-c', LOOK, `${target}/made`), SEEN, client.name);
      // Of a container that runs as somebody, -a makes everything that one's.
      const owned = await client.run(['cp', '-a', '-', 'user:/var'], { input });
      assert.equal(owned.code, 0, client.name + owned.stderr);
      assert.equal(await docker('exec', 'user', 'stat', '-c', '%u:%g', '/var/made/file'), '77:78', client.name);
      await docker('exec', '-u', '0', 'user', 'rm', '-r', '/var/made');
    }
    await docker('rm', '-f', 'from', 'to', 'user');
    await assertUnchanged(engine.host, clean);
  });

  test('follows no link of a container out of it, whatever the container does meanwhile', async () => {
    const { docker, host } = engine;
    const victim = folder('victim');
    writeFileSync(join(victim, 'secret'), 'of the host');
    const gift = folder('gift');
    writeFileSync(join(gift, 'planted'), 'from outside');
    // One name that is a folder now and a link out of the container then, as fast as it can.
    const swap = `mkdir -p /real /game; while true; do ln -sfn /../../../../../../../../..${victim} /game/way; rm -f /game/way; mkdir /game/way; rmdir /game/way; done`;
    await docker('run', '-d', '--name', 'player', 'busybox', 'sh', '-c', swap);
    for (let round = 0; round < 20; round += 1) {
      await docker.run(['cp', join(gift, 'planted'), 'player:/game/way/planted']);
      const read = await docker.run(['cp', 'player:/game/way/secret', '-']);
      assert.doesNotMatch(read.stdout, /of the host/);
    }
    assert.ok(!existsSync(join(victim, 'planted')));
    await docker('rm', '-f', 'player');
    // Nor does one of a container at rest, in a volume, or behind a relative path.
    await docker('create', '--name', 'rests', '-v', 'trap:/trap', 'busybox');
    symlinkSync(victim, join(host.directory, 'lib/fairway/volumes/trap/_data/way'));
    const wrong = await docker.run(['cp', 'rests:/trap/way/secret', '-']);
    assert.match(wrong.stderr, /Could not find the file \/trap\/way\/secret in container rests/);
    assert.notEqual((await docker.run(['cp', join(gift, 'planted'), 'rests:/trap/way/planted'])).code, 0);
    assert.ok(!existsSync(join(victim, 'planted')));
    await docker('rm', 'rests');
    await docker('volume', 'rm', 'trap');
    await assertUnchanged(host, clean);
  });

  test('runs nothing of the container, and refuses what cannot be', async () => {
    const { docker } = engine;
    const gift = folder('gift');
    writeFileSync(join(gift, 'file'), 'x');
    // A name service module of the container's would be loaded by a copier that enters it and looks up users.
    await docker(
      'run',
      '-d',
      '--name',
      'box',
      '--read-only',
      '-v',
      'data:/ro:ro',
      '--tmpfs',
      '/w',
      'busybox',
      'sleep',
      '600',
    );
    for (const client of commandLines(engine)) {
      const cases: readonly [string[], RegExp][] = [
        [
          ['box:/nowhere', '-'],
          /Could not find the file \/nowhere in container box|No such container:path: box:\/nowhere/,
        ],
        [[join(gift, 'file'), 'box:/etc/x'], /container rootfs is marked read-only/],
        [[join(gift, 'file'), 'box:/ro/x'], /mounted volume is marked read-only/],
        [
          [join(gift, 'file'), 'box:/w/nowhere/x'],
          /Could not find the file \/w\/nowhere in container box|no such (file or )?directory|No such container:path/,
        ],
        [['nobody:/x', '-'], /No such container: nobody|No such container:path: nobody/],
      ];
      for (const [args, says] of cases) {
        const refused = await client.run(['cp', ...args]);
        assert.equal(refused.code, 1, client.name);
        assert.match(refused.stderr, says, `${client.name} ${args.join(' ')}`);
      }
      await client('cp', join(gift, 'file'), 'box:/w/y');
      assert.equal(await docker('exec', 'box', 'cat', '/w/y'), 'x', client.name);
    }
    await docker('rm', '-f', 'box');
    await docker('volume', 'rm', 'data');
    await assertUnchanged(engine.host, clean);
  });
});

describe('export, commit and diff', () => {
  test('hold everything the container has made: kinds, owners, names of one file, attributes', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'made', 'busybox', 'sh', '-c', `${MAKE}; rm /etc/group; sleep 600`);
    await setCapability(`${await rootOf('made')}/made/file`);
    for (const client of commandLines(engine)) {
      const changes = (await client('diff', 'made')).split('\n').sort();
      assert.deepEqual(
        changes,
        [
          '/made',
          '/made/deep',
          '/made/deep/old',
          '/made/file',
          '/made/link',
          '/made/null',
          '/made/pipe',
          '/made/sticky',
          '/made/twin',
        ]
          .map((path) => `A ${path}`)
          .concat('C /etc', 'D /etc/group'),
        client.name,
      );
      await client(
        'commit',
        '-m',
        'a message',
        '-a',
        'somebody',
        '-p',
        '-c',
        'ENV A=b',
        '-c',
        'WORKDIR /made',
        'made',
        'kept:1',
      );
      assert.equal(await docker('inspect', '-f', '{{.State.Status}}', 'made'), 'running', client.name);
      assert.equal(await docker('inspect', '-f', '{{.Author}} {{.Comment}}', 'kept:1'), 'somebody a message');
      await docker('run', '-d', '--name', 'again', 'kept:1', 'sleep', '600');
      assert.equal(
        await docker('exec', 'again', 'sh', '-c', `${LOOK}; echo $A; pwd`, '/made'),
        `${SEEN}\nb\n/made`,
        client.name,
      );
      assert.equal(await capabilityOf(`${await rootOf('again')}/made/file`), CAPABILITY, client.name);
      await docker('rm', '-f', 'again');
      await docker('rmi', 'kept:1');
      const tree = join(folder('trees'), `${client.name}.tar`);
      await client('export', '-o', tree, 'made');
      const list = await ok(['tar', '--numeric-owner', '-tvf', tree]);
      assert.match(list, /-rwsr-x--- 33\/34 .* made\/file\n/, client.name);
      assert.match(list, /hrwsr-x--- 33\/34 .* made\/twin link to made\/file\n/, client.name);
      assert.match(list, /crw-r--r-- 0\/0 +1,3 .* made\/null\n/, client.name);
      assert.match(list, /prw-r--r-- .* made\/pipe\n/, client.name);
      assert.doesNotMatch(list, / etc\/group\n/, client.name);
      assert.doesNotMatch(list, / proc\/./, client.name);
      const unpacked = folder(`trees/${client.name}`);
      await ok(['tar', '-C', unpacked, '--xattrs', '--xattrs-include=security.*', '-xf', tree, 'made/file']);
      assert.equal(await capabilityOf(join(unpacked, 'made/file')), CAPABILITY, client.name);
    }
    const wrong = await docker.run(['commit', '-c', 'RUN true', 'made', 'x:1']);
    assert.match(wrong.stderr, /RUN is not a valid change command/);
    const badName = await docker.run(['commit', 'made', 'UPPER']);
    assert.match(badName.stderr, /must be lowercase|invalid reference format/);
    assert.equal(await docker('images', '-q', 'x'), '');
    await docker('rm', '-f', 'made');
    await assertUnchanged(engine.host, clean);
  });
});
