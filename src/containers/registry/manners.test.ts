import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MEDIA_TYPE } from '../images/index.ts';
import { dockerArchive, streamOf, tarOf } from '../images/testing/index.ts';
import { FakeRegistry, localSide, publish, refuse } from './testing/index.ts';

/** Writes without an end, until nobody listens. */
function endless(response: ServerResponse): void {
  const piece = Buffer.alloc(64 << 10);
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', more);
  more();
}

describe('a registry of bad manners', () => {
  let remote: FakeRegistry;
  let server: Server;
  /** Another host, to which redirects lead. */
  let elsewhere: Server;
  let visits: { url: string; authorization: string | undefined }[] = [];
  let host = '';
  let other = '';

  before(async () => {
    server = createServer((request, response) => remote.handle(request, response));
    elsewhere = createServer((request, response) => {
      visits.push({ url: request.url ?? '', authorization: request.headers.authorization });
      response.end(remote.blobs.get(request.url?.slice(1) ?? ''));
    });
    const listen = async (one: Server): Promise<string> => {
      await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
      return `127.0.0.1:${(one.address() as AddressInfo).port}`;
    };
    host = await listen(server);
    other = await listen(elsewhere);
  });

  beforeEach(() => {
    remote = new FakeRegistry();
    visits = [];
  });

  after(() => {
    for (const one of [server, elsewhere]) {
      one.closeAllConnections();
      one.close();
    }
  });

  it('that is busy is asked again, and what it says is passed on when it stays so', async () => {
    const { manifest } = await publish(remote, ['1'], 'a');
    let busy = 3;
    remote.intercept = (_, response) => {
      if (busy === 0) return false;
      busy -= 1;
      response.setHeader('retry-after', '7');
      refuse(response, busy % 2 === 0 ? 429 : 503, 'TOOMANYREQUESTS', 'slow down');
      return true;
    };
    const { pull, engine } = localSide(host);
    assert.equal(await pull('app:1'), manifest.config.digest);
    busy = 1000;
    await assert.rejects(pull('app:2'), { kind: 'unavailable', message: 'toomanyrequests: slow down' });
    assert.equal(1000 - busy, 5);
    assert.equal(engine.openLeases.size, 0);
  });

  it('that asks to wait for an hour is not waited for', async () => {
    let asked = 0;
    remote.intercept = (_, response) => {
      asked += 1;
      response.setHeader('retry-after', '3600');
      refuse(response, 429, 'TOOMANYREQUESTS', 'come back later');
      return true;
    };
    await assert.rejects(localSide(host).pull('app:1'), { message: 'toomanyrequests: come back later' });
    assert.equal(asked, 1);
  });

  it('that fails without a word is told of by its status', async () => {
    remote.intercept = (_, response) => {
      response.writeHead(500).end('<html>');
      return true;
    };
    await assert.rejects(localSide(host, { maxAttempts: 2 }).pull('app:1'), {
      kind: 'unavailable',
      message: 'received unexpected HTTP status: 500 Internal Server Error',
    });
  });

  it('that breaks off before it answers is asked again', async () => {
    const { manifest } = await publish(remote, ['1'], 'a');
    let broken = 2;
    remote.intercept = (_, response) => {
      if (broken === 0) return false;
      broken -= 1;
      response.destroy();
      return true;
    };
    assert.equal(await localSide(host).pull('app:1'), manifest.config.digest);
  });

  it('that says nothing is given up, and what came is taken up again', async () => {
    const { manifest } = await publish(remote, ['1'], 'x'.repeat(100_000));
    const layer = manifest.layers[0]?.digest ?? '';
    const ranges: (string | undefined)[] = [];
    remote.intercept = (request, response) => {
      if (!request.url?.endsWith(layer)) return false;
      ranges.push(request.headers.range);
      if (ranges.length > 1) return false;
      response.writeHead(200, { 'content-length': remote.blobs.get(layer)?.length ?? 0 });
      response.write(remote.blobs.get(layer)?.subarray(0, 50_000));
      return true;
    };
    const { pull } = localSide(host, { idleMs: 300 });
    assert.equal(await pull('app:1'), manifest.config.digest);
    assert.deepEqual(ranges, [undefined, 'bytes=50000-']);
    remote.intercept = () => true;
    await assert.rejects(localSide(host, { idleMs: 50, maxAttempts: 2 }).pull('app:1'), {
      kind: 'unavailable',
      message: `Get "http://${host}/v2/app/manifests/1": no answer for 0.05 seconds`,
    });
  });

  it('that redirects to another host does not make us tell it who we are', async () => {
    const { manifest } = await publish(remote, ['1'], 'a');
    const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    remote.intercept = (request, response) => {
      if (request.headers.authorization !== basic) {
        response.setHeader('www-authenticate', 'Basic realm="x"');
        refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
        return true;
      }
      const digest = /\/blobs\/(.*)$/.exec(request.url ?? '')?.[1];
      if (digest === undefined) return false;
      response.writeHead(307, { location: `http://${other}/${digest}` }).end();
      return true;
    };
    const { pull } = localSide(host);
    const auth = { username: 'me', password: 'secret' };
    assert.equal(await pull('app:1', { auth }), manifest.config.digest);
    assert.equal(visits.length, 2);
    assert.deepEqual(new Set(visits.map(({ authorization }) => authorization)), new Set([undefined]));
    await assert.rejects(localSide(host).pull('app:1'), {
      message: `Get "http://${host}/v2/app/manifests/1": no basic auth credentials`,
    });
  });

  it('cannot lead us away from HTTPS, round in circles, or to no place at all', async () => {
    await publish(remote, ['1'], 'a');
    const redirect = (location: string): void => {
      remote.intercept = (_, response) => {
        response.writeHead(302, { location }).end();
        return true;
      };
    };
    const { pull } = localSide(host);
    redirect('http://192.0.2.1/v2/app/manifests/1');
    await assert.rejects(pull('app:1'), {
      kind: 'invalid',
      message: /"http:\/\/192\.0\.2\.1\/.*", which is not HTTPS$/,
    });
    redirect(`http://${host}/again`);
    await assert.rejects(pull('app:1'), { kind: 'invalid', message: /^too many redirects from/ });
    redirect('file:///etc/passwd');
    await assert.rejects(pull('app:1'), { kind: 'invalid', message: /which is not HTTPS$/ });
    redirect('http://[');
    await assert.rejects(pull('app:1'), { kind: 'invalid', message: /which is no URL$/ });
  });

  it('that sends without an end is left, whatever it was asked', async () => {
    const { manifest } = await publish(remote, ['1'], 'a');
    const layer = manifest.layers[0]?.digest ?? '';
    for (const [where, status, message] of [
      ['/manifests/1', 200, /the registry's answer is larger than 8388608 bytes/],
      ['/manifests/1', 401, /pull access denied for .*: unauthorized: authentication required/],
      [layer, 200, /the registry sent more than the \d+ bytes of/],
    ] as const) {
      const closed = Promise.withResolvers<void>();
      remote.intercept = (request, response) => {
        if (!request.url?.endsWith(where)) return false;
        response.writeHead(status);
        response.on('close', closed.resolve);
        endless(response);
        return true;
      };
      const { pull, engine } = localSide(host);
      await assert.rejects(pull('app:1'), { message });
      await closed.promise;
      assert.deepEqual([engine.uploads.size, engine.names.size, engine.openLeases.size], [0, 0, 0]);
    }
  });

  it('that promises more than it sends, or another part than was asked for, gets nothing stored', async () => {
    const { manifest } = await publish(remote, ['1'], 'a');
    const layer = manifest.layers[0];
    const lying = { ...manifest, layers: [{ ...layer, size: (layer?.size ?? 0) + 10 }] };
    remote.putManifest(['2'], lying, MEDIA_TYPE.ociManifest);
    const { pull, engine } = localSide(host);
    await assert.rejects(pull('app:2'), { message: /^the registry sent \d+ of the \d+ bytes of .*: unexpected EOF$/ });
    remote.putManifest(['3'], { ...manifest, layers: [{ ...layer, size: 10 }] }, MEDIA_TYPE.ociManifest);
    await assert.rejects(pull('app:3'), { message: /^the registry sent more than the 10 bytes of/ });
    assert.deepEqual([engine.uploads.size, engine.names.size, engine.openLeases.size], [0, 0, 0]);
  });

  it('whose manifests make no sense is told so', async () => {
    const { manifest } = await publish(remote, ['1'], 'a');
    const put = (name: string, value: object, type: string = MEDIA_TYPE.ociManifest): void => {
      remote.putManifest([name], value, type);
    };
    put('html', {}, 'text/html');
    put('schema', { ...manifest, schemaVersion: 1 });
    put('config', { ...manifest, config: { ...manifest.config, size: 1 << 30 } });
    put('deep', { ...manifest, layers: Array.from({ length: 200 }, () => manifest.layers[0]) });
    put('digest', { ...manifest, layers: [{ ...manifest.layers[0], digest: 'sha256:../../etc/passwd' }] });
    put('more', { ...manifest, layers: [...manifest.layers, ...manifest.layers] });
    const { pull, engine } = localSide(host);
    for (const [tag, message] of [
      ['html', /cannot use a manifest of type "text\/html"/],
      ['schema', /unsupported manifest schema version 1/],
      ['config', /its configuration of 1073741824 bytes is too large/],
      ['deep', /max depth exceeded/],
      ['digest', /it has no config or no layers/],
      ['more', /layers length mismatch: expected 1, got 2/],
    ] as const) {
      await assert.rejects(pull(`app:${tag}`), { kind: 'invalid', message }, tag);
    }
    assert.deepEqual([engine.uploads.size, engine.names.size, engine.openLeases.size], [0, 0, 0]);
  });

  it('is not asked twice for a layer that two pulls want', async () => {
    const { manifest } = await publish(remote, ['1', '2'], 'a', 'b');
    const { pull, engine } = localSide(host);
    assert.deepEqual(await Promise.all([pull('app:1'), pull('app:2')]), [
      manifest.config.digest,
      manifest.config.digest,
    ]);
    for (const { digest } of [manifest.config, ...manifest.layers]) {
      assert.equal(remote.requests.filter((request) => request.endsWith(digest)).length, 1);
    }
    assert.equal(engine.openLeases.size, 0);
  });

  it('is asked for no more layers at once than the configuration lets', async () => {
    const { manifest } = await publish(remote, ['1'], 'a', 'b', 'c', 'd', 'e');
    const layers = new Set(manifest.layers.map(({ digest }) => digest));
    const open: (() => void)[] = [];
    let most = 0;
    let [limit, left] = [2, layers.size];
    const before = remote.handle.bind(remote);
    remote.handle = (request, response) => {
      if (!layers.has(request.url?.split('/').at(-1) ?? '')) return before(request, response);
      open.push(() => before(request, response));
      most = Math.max(most, open.length);
      if (open.length < Math.min(limit, left)) return;
      void (async () => {
        // One too many would come now.
        for (let count = 0; count < 20; count += 1) await turn();
        left -= open.length;
        for (const answer of open.splice(0)) answer();
      })();
    };
    const { registry, pull, messages } = localSide(host, { maxDownloads: 2 });
    await pull('app:1');
    assert.equal(most, 2);
    assert.equal(messages.filter(({ status }) => status === 'Waiting').length, 3);
    registry.configure({ maxDownloads: 1 });
    const again = await publish(remote, ['2'], 'f', 'g', 'h');
    for (const { digest } of again.manifest.layers) layers.add(digest);
    [most, limit, left] = [0, 1, 3];
    await pull('app:2');
    assert.equal(most, 1);
  });

  it('takes a layer from another of its repositories when we know that it is there', async () => {
    const { store, registry, messages } = localSide(host);
    const layers = [await tarOf([{ name: 'file', data: 'a' }])];
    await store.load(streamOf(await dockerArchive([{ tags: [`${host}/one/app:1`, `${host}/two/app:1`], layers }])));
    await registry.push(`${host}/one/app:1`);
    const { diffIds, manifest } = await store.get(`${host}/one/app:1`);
    const layer = manifest.layers[0]?.digest ?? '';
    // The fake has but one store for all; two/app is to lack the layer.
    remote.intercept = (request, response) => {
      if (request.method === 'HEAD' && request.url === `/v2/two/app/blobs/${layer}`) refuse(response, 404, 'X', 'x');
      else if (request.url?.includes('mount=')) response.writeHead(201).end();
      else return false;
      return true;
    };
    await registry.push(`${host}/two/app:1`, { progress: (message) => messages.push(message) });
    const query = new URLSearchParams({ mount: layer, from: 'one/app' });
    assert.ok(remote.requests.includes(`POST /v2/two/app/blobs/uploads/?${query}`));
    const said = { status: 'Mounted from one/app', progressDetail: {}, id: diffIds[0]?.slice(7, 19) };
    assert.deepEqual(
      messages.find(({ status }) => status?.startsWith('Mounted')),
      said,
    );
    await assert.rejects(registry.push(`${host}/two/app@${layer}`), { message: 'cannot push a digest reference' });
  });

  it('that refuses a push is quoted', async () => {
    const { store, registry } = localSide(host);
    const layers = [await tarOf([{ name: 'file', data: 'a' }])];
    await store.load(streamOf(await dockerArchive([{ tags: [`${host}/app:1`], layers }])));
    remote.intercept = (request, response) => {
      if (request.url === '/v2/') return false;
      refuse(response, 403, 'DENIED', 'requested access to the resource is denied');
      return true;
    };
    await assert.rejects(registry.push(`${host}/app:1`), {
      message: 'denied: requested access to the resource is denied',
    });
    remote.intercept = (_, response) => {
      refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
      return true;
    };
    await assert.rejects(registry.push(`${host}/app:1`), { message: 'unauthorized: authentication required' });
  });
});
