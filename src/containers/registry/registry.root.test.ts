import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type PrivateContainerd, startPrivateContainerd } from '../containerd/testing/index.ts';
import { ImageStore, type ProgressMessage } from '../images/index.ts';
import { dockerArchive, streamOf, tarOf } from '../images/testing/index.ts';
import { Registry } from './index.ts';

const PROGRAM = '/usr/bin/docker-registry';
const START_MS = 60_000;

/** Debian's registry on a free port of loopback; resolves to its host and port. */
async function startRegistry(folder: string): Promise<{ process: ChildProcess; host: string }> {
  const config = join(folder, 'registry.yml');
  const text = [
    'version: 0.1',
    'storage:',
    '  filesystem:',
    `    rootdirectory: ${join(folder, 'registry')}`,
    'http:',
    '  addr: 127.0.0.1:0',
    '',
  ].join('\n');
  await writeFile(config, text);
  const child = spawn(PROGRAM, ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const host = await new Promise<string>((resolve, reject) => {
    let seen = '';
    const timer = setTimeout(() => reject(new Error(`the registry does not listen: ${seen}`)), START_MS);
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the registry ended: ${seen}`)));
    child.stderr.on('data', (chunk: Buffer) => {
      if (seen.length < 100_000) seen += chunk.toString();
      const port = /listening on 127\.0\.0\.1:(\d+)/.exec(seen)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(`127.0.0.1:${port}`);
    });
  });
  return { process: child, host };
}

describe("Debian's registry on loopback", () => {
  let own: PrivateContainerd;
  let remote: { process: ChildProcess; host: string };

  before(async () => {
    own = await startPrivateContainerd();
    remote = await startRegistry(own.folder);
  });

  after(async () => {
    remote.process.removeAllListeners('exit');
    const ended = new Promise((resolve) => remote.process.once('exit', resolve));
    remote.process.kill('SIGTERM');
    await ended;
    await own[Symbol.asyncDispose]();
  });

  it('takes an image by push and gives the same one by pull', async () => {
    const store = new ImageStore({ engine: own.client });
    using registry = new Registry({ engine: own.client, store });
    const layers = await Promise.all([
      tarOf([{ name: 'one', data: Buffer.alloc(5_000_000, 'x') }]),
      tarOf([{ name: 'two', data: 'y' }]),
    ]);
    const name = `${remote.host}/me/app:1`;
    const [id] = await store.load(streamOf(await dockerArchive([{ tags: [name], layers }])));
    await registry.push(name);
    const pushed = await store.get(name);
    const digest = pushed.manifestDescriptor.digest;
    assert.deepEqual(pushed.repoDigests, [`${remote.host}/me/app@${digest}`]);

    const removed = await store.remove(name);
    assert.deepEqual(removed.slice(0, 2), [{ Untagged: name }, { Untagged: `${remote.host}/me/app@${digest}` }]);
    assert.deepEqual(await own.client.content.list(), []);

    const messages: ProgressMessage[] = [];
    await registry.pull(name, { progress: (message) => messages.push(message) });
    assert.equal((await store.get(name)).id, id);
    assert.equal(messages.at(-1)?.status, `Status: Downloaded newer image for ${name}`);
    await store.prepareRootfs('tree', await store.get(name));
    await store.removeRootfs('tree');

    await registry.pull(`${remote.host}/me/app@${digest}`);
    assert.equal((await store.get(`${remote.host}/me/app@${digest}`)).id, id);
    await store.remove(id ?? '');
    assert.deepEqual(await own.client.content.list(), []);
    await assert.rejects(registry.pull(`${remote.host}/me/app:2`), {
      kind: 'notFound',
      message: `manifest for ${remote.host}/me/app:2 not found: manifest unknown: manifest unknown`,
    });
  });
});
