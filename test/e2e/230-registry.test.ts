import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  blobsOf,
  commandLines,
  type Engine,
  eventually,
  type Snapshot,
  snapshot,
  startEngine,
  startRegistry,
  startRudeRegistry,
  unfinishedDownloads,
} from '../support/index.ts';

const LOCAL = '127.0.0.1:5000';
const RUDE = '127.0.0.1:5001';
const CLOSED = '127.0.0.1:5002';

let engine: Engine;
let clean: Snapshot;
let requests: () => string[];
let folder: string;
let configuration: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fwt-registry-'));
  configuration = join(folder, 'daemon.json');
  writeFileSync(configuration, '{}');
  engine = await startEngine({ args: ['--config-file', configuration] });
  await startRegistry(engine.host);
  await startRegistry(engine.host, { port: 5002, password: true });
  requests = await startRudeRegistry(engine.host);
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
  if (folder) rmSync(folder, { recursive: true });
});

/** Puts the busybox image into the good registry. Resolves to its digest there. */
async function publish(repository: string): Promise<string> {
  const { docker } = engine;
  await docker('tag', 'busybox', `${LOCAL}/${repository}:1`);
  const said = await docker('push', `${LOCAL}/${repository}:1`);
  await docker('rmi', `${LOCAL}/${repository}:1`);
  return /digest: (sha256:[0-9a-f]{64})/.exec(said)?.[1] ?? said;
}

/** Without the image, its layers have to come from the registry; `work` brings them. */
async function withoutBusybox(work: () => Promise<void>): Promise<void> {
  const { docker } = engine;
  const archive = join(engine.host.directory, 'busybox.tar');
  await docker('save', '-o', archive, 'busybox');
  await docker('rmi', 'busybox');
  try {
    await work();
  } finally {
    await docker('load', '-i', archive);
  }
}

describe('a registry', () => {
  test('takes an image from every client and gives it back by tag and by digest', async () => {
    const { docker } = engine;
    for (const client of commandLines(engine)) {
      const name = `${LOCAL}/team/${client.name}`;
      await client('tag', 'busybox', `${name}:1.0`);
      const pushed = await client('push', `${name}:1.0`);
      assert.match(pushed, new RegExp(`The push refers to repository \\[${name}\\]`), client.name);
      const digest = /1\.0: digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(pushed)?.[1] ?? '';
      assert.notEqual(digest, '', pushed);
      const id = await docker('image', 'inspect', '-f', '{{.Id}}', 'busybox');
      await client('rmi', `${name}:1.0`);
      await withoutBusybox(async () => {
        const pulled = await client('pull', `${name}:1.0`);
        assert.match(pulled, /1\.0: Pulling from team\/\w+\n/, client.name);
        assert.match(pulled, new RegExp(`Digest: ${digest}\nStatus: Downloaded newer image for ${name}:1.0`));
        assert.equal(await docker('image', 'inspect', '-f', '{{.Id}}', `${name}:1.0`), id);
        assert.match(await client('pull', `${name}:1.0`), /Image is up to date/, client.name);
        assert.equal(await client('run', '--rm', `${name}:1.0`, 'echo', 'it runs'), 'it runs', client.name);
        await client('rmi', `${name}:1.0`);
        assert.equal(await client('images', '-q'), '');
        assert.match(await client('pull', `${name}@${digest}`), /Downloaded newer image/, client.name);
        assert.equal(await client('run', '--rm', `${name}@${digest}`, 'echo', 'it runs'), 'it runs', client.name);
        await client('rmi', `${name}@${digest}`);
      });
      const missing = await client.run(['pull', `${name}:2.0`]);
      assert.equal(missing.code, 1, client.name);
      assert.match(missing.stderr, new RegExp(`manifest for ${name}:2.0 not found: manifest unknown`), client.name);
      const nothing = await client.run(['push', `${name}:3.0`]);
      assert.match(nothing.stderr, /tag does not exist: |does not exist locally with the tag: /, client.name);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('is brought by run, when the image is not here', async () => {
    await publish('ondemand');
    await withoutBusybox(async () => {
      for (const client of commandLines(engine)) {
        const name = `${LOCAL}/ondemand:1`;
        const { stdout, stderr, code } = await client.run(['run', '--rm', name, 'echo', 'hello']);
        assert.deepEqual([code, stdout], [0, 'hello\n'], stderr);
        assert.match(stderr, /Unable to find image '127\.0\.0\.1:5000\/ondemand:1' locally/, client.name);
        await client('rmi', name);
      }
    });
    await assertUnchanged(engine.host, clean);
  });

  test('gives all tags of a repository at once', async () => {
    const { docker } = engine;
    const name = `${LOCAL}/many`;
    for (const tag of ['a', 'b']) await docker('tag', 'busybox', `${name}:${tag}`);
    await docker('push', '-a', name);
    for (const client of commandLines(engine)) {
      await client('rmi', `${name}:a`, `${name}:b`);
      await client('pull', '-a', name);
      const tags = (await docker('images', '--format', '{{.Tag}}', name)).split('\n').sort();
      assert.deepEqual(tags, ['a', 'b'], client.name);
    }
    await docker('rmi', `${name}:a`, `${name}:b`);
    await assertUnchanged(engine.host, clean);
  });

  test('serves dockerode', async () => {
    const { dockerode, docker } = engine;
    const name = `${LOCAL}/team/ode`;
    const finished = (stream: NodeJS.ReadableStream): Promise<unknown[]> =>
      new Promise((resolve, reject) => {
        dockerode.modem.followProgress(stream, (error, lines) => (error ? reject(error) : resolve(lines)));
      });
    await dockerode.getImage('busybox').tag({ repo: name, tag: '1' });
    await finished(await dockerode.getImage(name).push({ tag: '1' }));
    await dockerode.getImage(`${name}:1`).remove();
    await finished(await dockerode.pull(`${name}:1`));
    assert.match(JSON.stringify((await dockerode.getImage(`${name}:1`).inspect()).RepoTags), /team\/ode:1/);
    await docker('rmi', `${name}:1`);
    await assert.rejects(dockerode.pull(`${name}:2`), { statusCode: 404 });
  });

  test('with passwords lets in who logs in', async () => {
    const { docker } = engine;
    for (const client of commandLines(engine)) {
      const name = `${CLOSED}/team/${client.name}:1`;
      await docker('tag', 'busybox', name);
      const stranger = await client.run(['push', name]);
      assert.equal(stranger.code, 1, client.name);
      assert.match(stranger.stderr + stranger.stdout, /authentication required|no basic auth credentials/, client.name);
      const wrong = await client.run(['login', '-u', 'ada', '--password-stdin', CLOSED], { input: 'wrong' });
      assert.equal(wrong.code, 1, client.name);
      assert.match(
        wrong.stderr,
        /login attempt to http:\/\/127\.0\.0\.1:5002\/v2\/ failed with status: 401 Unauthorized/,
        client.name,
      );
      const right = await client.run(['login', '-u', 'ada', '--password-stdin', CLOSED], { input: 'secret' });
      assert.equal(right.code, 0, right.stderr);
      assert.match(right.stdout, /Login Succeeded/, client.name);
      await client('push', name);
      await client('rmi', name);
      await client('pull', name);
      await client('rmi', name);
      await client('logout', CLOSED);
      const { code, stderr } = await client.run(['pull', name]);
      assert.equal(code, 1, client.name);
      assert.match(stderr, /authentication required|no basic auth credentials/, client.name);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('with tokens gets them from whom it names', async () => {
    const { docker } = engine;
    await publish('token/app');
    await docker('login', '-u', 'ada', '-p', 'secret', RUDE);
    await docker('pull', `${RUDE}/token/app:1`);
    await docker('rmi', `${RUDE}/token/app:1`);
    await docker('logout', RUDE);
    const { code, stderr } = await docker.run(['pull', `${RUDE}/token/app:1`]);
    assert.equal(code, 1);
    assert.match(stderr, /pull access denied for 127\.0\.0\.1:5001\/token\/app/);
    await assertUnchanged(engine.host, clean);
  });

  test('that breaks the connection is asked for the rest', async () => {
    const { docker } = engine;
    await publish('cut/app');
    await withoutBusybox(async () => {
      await docker('pull', `${RUDE}/cut/app:1`);
      assert.match(requests().join('\n'), /GET \/v2\/cut\/app\/blobs\/\S+ bytes=[1-9]\d*-/);
      assert.equal(await docker('run', '--rm', `${RUDE}/cut/app:1`, 'echo', 'whole'), 'whole');
      await docker('rmi', `${RUDE}/cut/app:1`);
    });
    await assertUnchanged(engine.host, clean);
  });

  test('leaves nothing of a pull that its client gives up', async () => {
    const { dockerode, docker, host } = engine;
    await publish('stall/gone');
    assert.notDeepEqual(blobsOf(engine.host), []);
    await withoutBusybox(async () => {
      const stream = await dockerode.pull(`${RUDE}/stall/gone:1`);
      stream.on('error', () => {});
      stream.resume();
      await eventually(() => assert.equal(unfinishedDownloads(host).filter((size) => size > 64 << 10).length, 1));
      (stream as Readable).destroy();
      await eventually(() => assert.deepEqual(unfinishedDownloads(host), []));
      await eventually(() => assert.deepEqual(blobsOf(host), []));
      assert.equal(await docker('images', '-aq'), '');
    });
    await assertUnchanged(host, clean);
  });

  test('is asked for the rest when the daemon was killed in the middle of a pull', async () => {
    const { docker, host, daemon } = engine;
    await publish('stall/app');
    await withoutBusybox(async () => {
      const interrupted = docker.run(['pull', `${RUDE}/stall/app:1`]);
      // The layer; the configuration has come.
      await eventually(() => assert.equal(unfinishedDownloads(host).filter((size) => size > 64 << 10).length, 1));
      await daemon.killHard();
      assert.notEqual((await interrupted).code, 0);
      await daemon.start();
      await docker('pull', `${RUDE}/stall/app:1`);
      assert.match(requests().join('\n'), /GET \/v2\/stall\/app\/blobs\/\S+ bytes=[1-9]\d*-/);
      assert.equal(await docker('run', '--rm', `${RUDE}/stall/app:1`, 'echo', 'whole'), 'whole');
      await docker('rmi', `${RUDE}/stall/app:1`);
    });
    assert.deepEqual(unfinishedDownloads(host), []);
    await assertUnchanged(host, clean);
  });

  test('that sends other bytes than its digests say is refused, and nothing of it stays', async () => {
    const { docker, host } = engine;
    await publish('lie/app');
    const digest = await publish('swap/app');
    await withoutBusybox(async () => {
      for (const name of [`${RUDE}/lie/app:1`, `${RUDE}/swap/app@${digest}`]) {
        for (const client of commandLines(engine)) {
          const { code, stderr } = await client.run(['pull', name]);
          assert.equal(code, 1, client.name);
          assert.match(stderr, /sha256:/, client.name);
        }
      }
      assert.equal(await docker('images', '-aq'), '');
      await eventually(() => assert.deepEqual(unfinishedDownloads(host), []));
    });
    await assertUnchanged(host, clean);
  });

  test('on the LAN may speak plain HTTP once the configuration says so', async () => {
    const { docker, daemon, host } = engine;
    await publish('open');
    const name = `${host.address}:5000/open:1`;
    for (const client of commandLines(engine)) {
      const { code, stderr } = await client.run(['pull', name]);
      assert.equal(code, 1, client.name);
      assert.match(stderr, /http: server gave HTTP response to HTTPS client/, client.name);
    }
    writeFileSync(configuration, JSON.stringify({ 'insecure-registries': [`${host.address}:5000`] }));
    daemon.signal('SIGHUP');
    await eventually(async () => assert.match(await docker('info'), new RegExp(`\n  ${host.address}:5000\n`)));
    for (const client of commandLines(engine)) {
      await client('pull', name);
      await client('rmi', name);
    }
    await assertUnchanged(host, clean);
  });

  test('that cannot be reached is named, with the reason', async () => {
    for (const client of commandLines(engine)) {
      const unknown = await client.run(['pull', 'registry.example/app']);
      assert.equal(unknown.code, 1, client.name);
      assert.match(
        unknown.stderr,
        /Get "https:\/\/registry\.example\/v2\/[^"]*": dial tcp: lookup registry\.example: no such host/,
        client.name,
      );
      const hub = await client.run(['run', '--rm', 'nosuchimage']);
      assert.equal(hub.code, 125, client.name);
      assert.match(hub.stderr, /lookup registry-1\.docker\.io: no such host/, client.name);
      const silent = await client.run(['pull', `${engine.host.address}:5009/app`]);
      assert.match(silent.stderr, /dial tcp 10\.99\.0\.1:5009: connect: connection refused/, client.name);
    }
    await assertUnchanged(engine.host, clean);
  });
});
