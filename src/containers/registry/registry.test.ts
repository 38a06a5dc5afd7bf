import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { MEDIA_TYPE, type ProgressMessage } from '../images/index.ts';
import { dockerArchive, streamOf, tarOf } from '../images/testing/index.ts';
import { FakeRegistry, localSide, publish as publishTo, refuse } from './testing/index.ts';

describe('a registry', () => {
  let remote: FakeRegistry;
  let server: Server;
  let host = '';

  before(async () => {
    server = createServer((request, response) => remote.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  beforeEach(() => {
    remote = new FakeRegistry();
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const local = (): ReturnType<typeof localSide> => localSide(host);
  const publish = (names: readonly string[], ...texts: string[]): ReturnType<typeof publishTo> =>
    publishTo(remote, names, ...texts);

  it('gives an image with all its layers, in the lines that docker pull prints', async () => {
    const { manifest, digest } = await publish(['1'], 'a', 'b');
    const { store, messages, pull, engine } = local();
    const id = await pull('app:1');
    assert.equal(id, manifest.config.digest);
    const image = await store.get(`${host}/app:1`);
    assert.deepEqual(image.repoTags, [`${host}/app:1`]);
    assert.deepEqual(image.repoDigests, [`${host}/app@${digest}`]);
    const lines = messages.map(({ status, id: of }) => `${status} ${of ?? ''}`);
    const layer = manifest.layers[0]?.digest.slice(7, 19);
    assert.equal(lines[0], 'Pulling from app 1');
    for (const status of ['Pulling fs layer', 'Downloading', 'Download complete', 'Pull complete']) {
      assert.ok(lines.includes(`${status} ${layer}`), status);
    }
    assert.deepEqual(lines.slice(-2), [`Digest: ${digest} `, `Status: Downloaded newer image for ${host}/app:1 `]);
    assert.equal(engine.openLeases.size, 0);

    messages.length = 0;
    remote.requests.length = 0;
    await pull('app:1');
    assert.equal(messages.at(-1)?.status, `Status: Image is up to date for ${host}/app:1`);
    assert.deepEqual(
      remote.requests.filter((request) => request.includes('/blobs/')),
      [],
    );
  });

  it('gives the image of the wanted platform out of an index', async () => {
    const amd = await publish([], 'amd');
    const arm = await publish([], 'arm');
    const entry = (one: typeof amd, architecture: string) => ({
      mediaType: MEDIA_TYPE.ociManifest,
      digest: one.digest,
      size: one.size,
      platform: { os: 'linux', architecture },
    });
    const index = { schemaVersion: 2, manifests: [entry(amd, 'amd64'), entry(arm, 'arm64')] };
    const { digest } = remote.putManifest(['1'], index, MEDIA_TYPE.ociIndex);
    const { pull, store, registry } = local();
    assert.equal(await pull(`app@${digest}`), amd.manifest.config.digest);
    assert.deepEqual((await store.get(`${host}/app@${digest}`)).repoTags, []);
    const there = await registry.describe(`${host}/app:1`);
    assert.equal(there.descriptor.digest, digest);
    assert.deepEqual(
      there.platforms.map(({ architecture }) => architecture),
      ['amd64', 'arm64'],
    );
    await assert.rejects(pull('app:1', { platform: 'linux/s390x' }), {
      kind: 'notFound',
      message: 'no matching manifest for linux/s390x in the manifest list entries',
    });
  });

  it('is asked for the rest of a layer when the connection broke', async () => {
    const { manifest } = await publish(['1'], 'x'.repeat(200_000));
    const layer = manifest.layers[0]?.digest ?? '';
    let broken = 0;
    remote.intercept = (request, response) => {
      if (!request.url?.endsWith(layer) || broken > 0) return false;
      broken += 1;
      response.writeHead(200, { 'content-length': remote.blobs.get(layer)?.length ?? 0 });
      response.write(remote.blobs.get(layer)?.subarray(0, 100_000), () => response.destroy());
      return true;
    };
    const ranges: (string | undefined)[] = [];
    const before = remote.handle.bind(remote);
    remote.handle = (request, response) => {
      if (request.url?.endsWith(layer)) ranges.push(request.headers.range);
      before(request, response);
    };
    const { pull, messages } = local();
    assert.equal(await pull('app:1'), manifest.config.digest);
    assert.equal(broken, 1);
    assert.equal(ranges.length, 2);
    assert.ok(messages.some(({ status }) => status?.startsWith('Retrying in 1 second')));
  });

  it('that sends wrong bytes leaves nothing behind', async () => {
    const { manifest } = await publish(['1'], 'a');
    const layer = manifest.layers[0]?.digest ?? '';
    remote.blobs.set(layer, Buffer.alloc(remote.blobs.get(layer)?.length ?? 0, 'z'));
    const { pull, engine } = local();
    await assert.rejects(pull('app:1'), {
      kind: 'invalid',
      message: /filesystem layer verification failed for digest sha256:/,
    });
    assert.equal(engine.uploads.size, 0);
    remote.blobs.set(layer, Buffer.alloc(1 << 20));
    await assert.rejects(pull('app:1'), { kind: 'invalid', message: /the registry sent more than/ });
    assert.equal(engine.uploads.size, 0);
    assert.equal(engine.names.size, 0);
  });

  it('says that an image is missing or forbidden in the words of Docker', async () => {
    const { pull, messages } = local();
    await assert.rejects(pull('nope:7'), {
      kind: 'notFound',
      message: `manifest for ${host}/nope:7 not found: manifest unknown: manifest unknown`,
    });
    assert.deepEqual(messages, []);
    remote.intercept = (_, response) => {
      refuse(response, 403, 'DENIED', 'requested access to the resource is denied');
      return true;
    };
    await assert.rejects(pull('nope:7'), {
      kind: 'notFound',
      message: `pull access denied for ${host}/nope, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    });
  });

  it('that nobody runs is named with its address', async () => {
    const { registry } = local();
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    await assert.rejects(registry.pull(`127.0.0.1:${port}/app`), {
      kind: 'unavailable',
      message: `Get "https://127.0.0.1:${port}/v2/app/manifests/latest": dial tcp 127.0.0.1:${port}: connect: connection refused`,
    });
  });

  it('that wants a token gets one, with the credentials for it', async () => {
    const { manifest } = await publish(['1'], 'a');
    const asked: string[] = [];
    remote.intercept = (request, response) => {
      if (request.url?.startsWith('/token')) {
        asked.push(`${request.url} ${request.headers.authorization ?? ''}`);
        const wanted = `Basic ${Buffer.from('me:secret').toString('base64')}`;
        if (request.headers.authorization !== wanted)
          refuse(response, 401, 'UNAUTHORIZED', 'incorrect username or password');
        else response.end(JSON.stringify({ token: 't0ken' }));
        return true;
      }
      if (request.headers.authorization === 'Bearer t0ken') return false;
      const challenge = `Bearer realm="http://${host}/token",service="reg",scope="repository:app:pull"`;
      response.setHeader('www-authenticate', challenge);
      refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
      return true;
    };
    const { pull, registry } = local();
    const auth = { username: 'me', password: 'secret' };
    assert.equal(await pull('app:1', { auth }), manifest.config.digest);
    assert.match(asked[0] ?? '', /^\/token\?service=reg&scope=repository%3Aapp%3Apull Basic /);
    await registry.login({ ...auth, serverAddress: `http://${host}/v2/` });
    await assert.rejects(registry.login({ username: 'me', password: 'x', serverAddress: host }), {
      kind: 'unauthorized',
      message: `login attempt to http://${host}/v2/ failed with status: 401 Unauthorized`,
    });
    await assert.rejects(pull('app:1'), { kind: 'notFound', message: /^pull access denied/ });
  });

  it('takes an image, and only what it does not have', async () => {
    const { engine, store, registry, messages } = local();
    const layers = await Promise.all(['a', 'b'].map((data) => tarOf([{ name: 'file', data }])));
    await store.load(streamOf(await dockerArchive([{ tags: [`${host}/app:1`, `${host}/app:2`], layers }])));
    remote.put(layers[0] ?? Buffer.alloc(0));
    const progress = (message: ProgressMessage): number => messages.push(message);
    await registry.push(`${host}/app:1`, { progress });
    const image = await store.get(`${host}/app:1`);
    assert.deepEqual(remote.manifests.get('1')?.bytes, engine.blobs.get(image.manifestDescriptor.digest)?.bytes);
    assert.ok(remote.blobs.has(image.id));
    const ids = image.diffIds.map((id) => id.slice(7, 19));
    const lines = messages.map(({ status, id }) => `${status} ${id ?? ''}`);
    assert.equal(lines[0], `The push refers to repository [${host}/app] `);
    assert.ok(lines.includes(`Layer already exists ${ids[0]}`));
    assert.ok(lines.includes(`Pushed ${ids[1]}`));
    assert.deepEqual(messages.at(-1)?.aux?.Tag, '1');
    assert.deepEqual(image.repoDigests, [`${host}/app@${image.manifestDescriptor.digest}`]);

    await registry.push(`${host}/app`);
    assert.ok(remote.manifests.has('2'));
    await assert.rejects(registry.push(`${host}/app:3`), {
      message: `tag does not exist: ${host}/app:3`,
    });
    await assert.rejects(registry.push(`${host}/none`), {
      message: `An image does not exist locally with the tag: ${host}/none`,
    });
  });

  it('stops when the pull is given up', async () => {
    const { manifest } = await publish(['1'], 'a');
    const stop = new AbortController();
    remote.intercept = (request) => {
      if (!request.url?.endsWith(manifest.layers[0]?.digest ?? '')) return false;
      stop.abort(new Error('enough'));
      return true;
    };
    const { pull, engine } = local();
    await assert.rejects(pull('app:1', { signal: stop.signal }), { message: 'enough' });
    assert.equal(engine.names.size, 0);
    assert.equal(engine.openLeases.size, 0);
  });
});
