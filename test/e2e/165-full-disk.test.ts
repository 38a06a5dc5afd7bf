import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { busyboxImage } from '../../scripts/busybox-image.ts';
import {
  assertUnchanged,
  type Client,
  type Engine,
  eventually,
  type RunResult,
  type Snapshot,
  snapshot,
  startEngine,
  startRegistry,
} from '../support/index.ts';

const DISK = '/var/lib/fairway/containerd';
const REMOTE = '127.0.0.1:5000/large:1';

let engine: Engine;
let clean: Snapshot;
let archive: string;

before(async () => {
  engine = await startEngine({
    // Images have a disk of their own, and a small one.
    prepare: async (host) => {
      await host.ok(['mkdir', '-p', DISK]);
      await host.ok(['mount', '-t', 'tmpfs', '-o', 'size=128m', 'none', DISK]);
    },
  });
  const { host, docker } = engine;
  await startRegistry(host);
  archive = join(host.directory, 'large.tar');
  writeFileSync(archive, await busyboxImage({ name: REMOTE, files: { '/large': randomBytes(12 << 20) } }));
  await docker('load', '-q', '-i', archive);
  await docker('push', '-q', REMOTE);
  await docker('rmi', REMOTE);
  await docker(
    'create',
    '--name',
    'writer',
    '--network',
    'none',
    'busybox',
    'dd',
    'if=/dev/urandom',
    'of=/large',
    'bs=1M',
    'count=12',
  );
  await docker('start', '-a', 'writer');
  clean = await snapshot(host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** KiB in use. */
async function used(): Promise<number> {
  return Number((await engine.host.ok(['df', '-k', '--output=used', DISK])).split('\n')[1]);
}

/** Runs the work with so many MiB left on the disk. */
async function whileFull(megabytes: number, work: () => Promise<RunResult>): Promise<RunResult> {
  const { host } = engine;
  const free = Number((await host.ok(['df', '-m', '--output=avail', DISK])).split('\n')[1]);
  await host.ok(['fallocate', '-l', `${free - megabytes}M`, `${DISK}/filler`]);
  try {
    return await work();
  } finally {
    await host.ok(['rm', `${DISK}/filler`]);
  }
}

describe('a full disk', () => {
  // Full while the bytes come, and full while they are unpacked.
  for (const megabytes of [4, 18]) {
    for (const [what, command] of [
      ['load', () => ['load', '-q', '-i', archive]],
      ['pull', () => ['pull', '-q', REMOTE]],
      ['import', () => ['import', archive, REMOTE]],
      ['commit', () => ['commit', 'writer', REMOTE]],
    ] as readonly (readonly [string, () => string[]])[]) {
      test(`with ${megabytes} MiB left ends a ${what} with the reason, leaves nothing of it and is no hindrance later`, async () => {
        const { docker, host } = engine;
        const before = await used();
        const full = await whileFull(megabytes, () => docker.run(command()));
        assert.equal(full.code, 1, full.stdout);
        assert.match(full.stderr, /no space left on device/);
        assert.equal(await docker('images', '-aq', '--filter', 'reference=127.0.0.1:5000/large'), '');
        assert.equal(await docker('images', '-q', '--filter', 'dangling=true'), '');
        // A little more for containerd's own database.
        await eventually(async () => assert.ok((await used()) < before + 512, `${await used()} of ${before} KiB`));
        await again(docker, command());
        await assertUnchanged(host, clean);
      });
    }
  }
});

async function again(docker: Client, command: readonly string[]): Promise<void> {
  await docker(...command);
  await docker('rmi', REMOTE);
}
