import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertUnchanged, type Engine, eventually, type Snapshot, snapshot, startEngine } from '../support/index.ts';

const FAIRWAYD = fileURLToPath(new URL('../../bin/fairwayd', import.meta.url));
const DATA = '/var/lib/fairway';

let engine: Engine;
/** Before anything runs. */
let clean: Snapshot;
/** While the two containers run that must never notice. */
let running: Snapshot;

const words = (line: string): string[] => line.split(' ');
const docker = (line: string): Promise<string> => engine.docker(...words(line));

before(async () => {
  engine = await startEngine({
    // All of its data on a disk of its own, and a small one.
    prepare: async (host) => {
      await host.ok(['mkdir', '-p', DATA]);
      await host.ok(words(`mount -t tmpfs -o size=64m,mode=711 none ${DATA}`));
    },
  });
  clean = await snapshot(engine.host);
  await docker('network create net');
  await docker('run -d --name web --network net -p 8080:80 busybox httpd -f -h /etc');
  await engine.docker(
    ...words('run -d --name writer --network net --tmpfs /run busybox sh -c'),
    'while sleep 0.05; do n=$((n+1)); echo $n; echo $n >/run/at; done',
  );
  running = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** The published port answers, a name is found, and who writes is not held up. */
async function nothingNoticed(): Promise<void> {
  const { host, lan } = engine;
  const pid = await pidOf('httpd');
  await eventually(async () => {
    const { stdout } = await lan.run(words(`busybox timeout 5 busybox wget -qO- http://${host.address}:8080/group`));
    assert.match(stdout, /root/);
  });
  await eventually(() =>
    host.ok(['nsenter', `--net=/proc/${pid}/ns/net`, ...words('busybox nslookup -type=a writer 127.0.0.11')]),
  );
  const at = async (): Promise<string> => readFileSync(`/proc/${await pidOf('sh')}/root/run/at`, 'utf8').trim();
  const first = await at();
  await eventually(async () => assert.notEqual(await at(), first));
}

/** Without the daemon: a process of a container, by its name and control group. */
async function pidOf(command: string): Promise<number> {
  const found = engine.host
    .processes()
    .find(
      (one) =>
        one.command === command && readFileSync(`/proc/${one.pid}/cgroup`, 'utf8').includes(`${engine.host.cgroup}/`),
    );
  assert.ok(found, `no process ${command}`);
  return found.pid;
}

/** A start that must fail; what it says. */
async function refusedStart(): Promise<string> {
  const result = await engine.host.run([FAIRWAYD, '--cgroup-parent', engine.host.cgroup]);
  assert.equal(result.code, 1, result.stdout);
  assert.match(result.stderr, /^fairwayd: /m);
  return result.stderr;
}

const fill = (): Promise<unknown> => engine.host.run(['sh', '-c', `cat /dev/zero >${DATA}/filler`]);
const free = (): Promise<unknown> => engine.host.ok(['rm', '-f', `${DATA}/filler`]);

describe('a full disk', { timeout: 240_000 }, () => {
  test('is named by what fails, which leaves nothing, and nobody who runs notices', async () => {
    const { host, daemon } = engine;
    await fill();
    await nothingNoticed();
    // The store keeps space for what must be written down, and a record is little.
    await docker('network create little');
    await docker('volume create little');
    for (const line of [
      'run -d --name more --network net busybox sleep 600',
      'create --name more busybox',
      'cp /bin/busybox writer:/more',
    ]) {
      const refused = await engine.docker.run(words(line));
      assert.notEqual(refused.code, 0, line);
      assert.match(refused.stderr, /no space left on device/, line);
    }
    assert.equal(await docker('ps -aq --filter name=^more$'), '');
    await docker('network rm little');
    await docker('volume rm little');
    await nothingNoticed();
    await free();
    await docker('network create more');
    await docker('run -d --name more --network more -p 8081:80 busybox sleep 600');
    await docker('rm -f more');
    await docker('network rm more');
    await assertUnchanged(host, running);
    assert.ok(daemon.pid > 0);
  });

  test('does not hide that a container ended, nor keep it from being stopped, and removed at the latest when there is space', async () => {
    const { host } = engine;
    await docker('run -d --name ends --network net busybox sleep 600');
    await docker('run -d --name stops --network net busybox sleep 600');
    await docker('run -d --name back --restart always --network net busybox sleep 600');
    const waiting = docker('wait ends');
    const before = await docker('inspect -f {{.State.Pid}} back');
    await fill();
    const pid = await docker('inspect -f {{.State.Pid}} ends');
    process.kill(Number(pid), 'SIGKILL');
    process.kill(Number(before), 'SIGKILL');
    assert.equal(await waiting, '137');
    assert.equal(await docker('inspect -f {{.State.Status}} ends'), 'exited');
    await docker('stop -t 0 stops');
    // containerd's own database may need space that is not there: then that is said, and it can be done again.
    const removed = await engine.docker.run(words('rm -f stops ends'));
    if (removed.code !== 0) assert.match(removed.stderr, /no space left on device/);
    await free();
    await engine.docker.run(words('rm -f stops ends'));
    assert.equal(await docker('ps -aq --filter name=^(stops|ends)$'), '');
    // Its policy holds, at the latest now.
    await eventually(async () => {
      const now = await docker('inspect -f {{.State.Running}}_{{.State.Pid}} back');
      assert.match(now, /^true_/);
      assert.notEqual(now, `true_${before}`);
    });
    await docker('rm -f back');
    await assertUnchanged(host, running);
  });

  test('lets the daemon start, or say why not; what runs goes on, and is known again afterwards', async () => {
    const { host, daemon } = engine;
    const pid = await docker('inspect -f {{.State.Pid}} web');
    await fill();
    await daemon.killHard();
    const outcome = await daemon.start().then(
      () => 'started',
      (error: Error) => error.message,
    );
    if (outcome !== 'started') assert.match(outcome, /no space left on device|disk is full|ENOSPC/i);
    await nothingNoticed();
    await free();
    await daemon.killHard();
    await daemon.start();
    await nothingNoticed();
    assert.equal(await docker('inspect -f {{.State.Pid}} web'), pid);
    await assertUnchanged(host, running);
  });
});

describe('a data root that cannot be written', { timeout: 240_000 }, () => {
  /** The kernel makes no mount read-only under those who write, so files that are open already stay writable. */
  const makeReadOnly = async (): Promise<void> => {
    await engine.host.ok(words(`mount --bind ${DATA} ${DATA}`));
    await engine.host.ok(words(`mount -o remount,bind,ro ${DATA}`));
  };
  const makeWritable = (): Promise<unknown> => engine.host.ok(words(`umount ${DATA}`));

  test('any more while a daemon runs: what needs a new file is refused and leaves nothing; what runs goes on', async () => {
    const { host } = engine;
    await docker('run -d --name other --network net busybox sleep 600');
    await docker('create --name rests busybox sleep 600');
    await makeReadOnly();
    await nothingNoticed();
    for (const line of [
      'create --name more --network net busybox sleep 600',
      'run -d --name more --network net busybox sleep 600',
      'volume create more',
      'start rests',
      'rm rests',
    ]) {
      const refused = await engine.docker.run(words(line));
      assert.notEqual(refused.code, 0, line);
      assert.match(refused.stderr, /read-only file system/, line);
    }
    assert.equal(await docker('ps -aq --filter name=^more$'), '');
    assert.equal(await docker('volume ls -q'), '');
    // Nothing but records, and the store has its files open.
    await docker('network create more');
    await docker('network rm more');
    await docker('stop -t 0 other');
    assert.equal(await docker('inspect -f {{.State.Status}} other'), 'exited');
    await nothingNoticed();
    await makeWritable();
    await docker('start other');
    await docker('rm -f other rests');
    await docker('run --rm --name more --network net -v fresh:/v busybox true');
    await docker('volume rm fresh');
    await assertUnchanged(host, running);
  });

  test('is named by the daemon, which does not start; what runs goes on', async () => {
    const { host, daemon } = engine;
    await daemon.stop();
    for (const { pid, command } of host.processes()) if (command === 'containerd') process.kill(pid, 'SIGKILL');
    await makeReadOnly();
    assert.match(await refusedStart(), /\/var\/lib\/fairway.*read-only/i);
    await nothingNoticed();
    await makeWritable();
    await daemon.start();
    await nothingNoticed();
    await assertUnchanged(host, running);
  });
});

describe('a store', { timeout: 240_000 }, () => {
  const store = (): string => join(engine.host.directory, 'store-copy');
  /** The file as the daemon sees it: its mount is not ours. */
  const get = async (): Promise<Buffer> => {
    await engine.host.ok(['cp', `${DATA}/fairway.db`, store()]);
    return readFileSync(store());
  };
  const put = async (bytes: Buffer): Promise<void> => {
    writeFileSync(store(), bytes);
    await engine.host.ok([
      'sh',
      '-ec',
      `rm -f ${DATA}/fairway.db-wal ${DATA}/fairway.db-shm; cp ${store()} ${DATA}/fairway.db`,
    ]);
  };

  const damages: Readonly<Record<string, readonly [(bytes: Buffer) => Buffer, RegExp]>> = {
    'of garbage': [(bytes) => Buffer.alloc(bytes.length, 'garbage '), /not a database; put back a copy/],
    'cut off half-way': [(bytes) => bytes.subarray(0, bytes.length / 2), /malformed|damaged.*put back a copy/],
    'cut off to nothing': [() => Buffer.alloc(0), /the file is empty; put back a copy/],
    'damaged inside': [(bytes) => Buffer.from(bytes).fill(0xa5, 4096, 12_288), /damaged|malformed/],
    'of a later version': [
      (bytes) => {
        writeFileSync(store(), bytes);
        const db = new DatabaseSync(store());
        db.exec('UPDATE schema_version SET version = 99');
        db.close();
        return readFileSync(store());
      },
      /has schema version 99, this program knows up to version \d+; use the newer program/,
    ],
  };

  test('that is damaged or of a later version is refused, said what to do, and left as it is; what runs goes on', async () => {
    const { host, daemon } = engine;
    assert.equal(await daemon.stop(), 0);
    const good = await get();
    for (const [what, [damage, says]] of Object.entries(damages)) {
      const bad = damage(good);
      await put(bad);
      const said = await refusedStart();
      assert.match(said, /cannot open store "\/var\/lib\/fairway\/fairway\.db"/, what);
      assert.match(said, says, what);
      assert.deepEqual(await get(), bad, what);
      await nothingNoticed();
    }
    await put(good);
    await daemon.start();
    await nothingNoticed();
    await assertUnchanged(host, running);
  });

  test('that was moved away makes the daemon begin with nothing, and what ran before is ended and gone', async () => {
    const { host, daemon } = engine;
    const pid = await pidOf('httpd');
    await daemon.stop();
    await host.ok(words(`mv ${DATA}/fairway.db ${DATA}/fairway.db-old`));
    await daemon.start();
    assert.equal(await docker('ps -aq'), '');
    assert.equal(await docker('network ls -q --filter type=custom'), '');
    await eventually(() => assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }));
    assert.equal((await engine.fairway.run(['gc'])).code, 0);
    // The default network is a new one.
    const { rules: _, ...others } = clean;
    const { rules: __, ...now } = await eventually(async () => {
      const found = await snapshot(host);
      assert.deepEqual(found.links, clean.links);
      assert.deepEqual(found.processes, clean.processes);
      assert.deepEqual(found.cgroups, clean.cgroups);
      assert.deepEqual(found.namespaces, clean.namespaces);
      return found;
    });
    assert.deepEqual(now, others);
    assert.equal((await engine.fairway.run(['verify'])).code, 0);
  });
});
