import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  commandLines,
  type Engine,
  eventually,
  type Snapshot,
  snapshot,
  startEngine,
  startProxy,
  startRegistry,
} from '../support/index.ts';

const PLAIN = '127.0.0.1:5000';

let engine: Engine;
let clean: Snapshot;
let folder: string;
let configuration: string;
/** Registries with TLS: one for everybody with a password, one for who has a certificate. */
let closed: string;
let mutual: string;
/** What the proxy was asked. */
let seen: () => string[];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fwt-tls-'));
  configuration = join(folder, 'daemon.json');
  writeFileSync(configuration, '{}');
  engine = await startEngine({ args: ['--config-file', configuration] });
  const { host } = engine;
  closed = `${host.address}:5443`;
  mutual = `${host.address}:5444`;
  makeCertificates(host.address);
  const tls = { certificate: join(folder, 'server.crt'), key: join(folder, 'server.key') };
  await startRegistry(host);
  await startRegistry(host, { port: 5443, password: true, tls });
  await startRegistry(host, { port: 5444, tls: { ...tls, clientAuthority: join(folder, 'ca.crt') } });
  seen = await startProxy(host);
  clean = await snapshot(host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
  if (folder) rmSync(folder, { recursive: true });
});

/** An authority of our own, a server's certificate for the address, and a client's. */
function makeCertificates(address: string): void {
  const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=test authority');
  for (const [name, subject, extension] of [
    ['server', '/CN=registry', `subjectAltName=IP:${address}`],
    ['client', '/CN=ada', 'extendedKeyUsage=clientAuth'],
  ] as const) {
    writeFileSync(join(folder, `${name}.ext`), extension);
    openssl('req', ...curve, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
    const signed = ['-in', `${name}.csr`, '-out', `${name}.crt`, '-days', '2', '-extfile', `${name}.ext`];
    openssl('x509', '-req', ...signed, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial');
  }
}

/** Puts a file into `certs.d` of a registry. */
function trust(registry: string, file: string, as: string): void {
  mkdirSync(join(folder, 'certs.d', registry), { recursive: true });
  copyFileSync(join(folder, file), join(folder, 'certs.d', registry, as));
}

async function reconfigure(config: object, shown: RegExp): Promise<void> {
  writeFileSync(configuration, JSON.stringify(config));
  engine.daemon.signal('SIGHUP');
  await eventually(async () => assert.match(await engine.docker('info'), shown));
}

describe('a registry with TLS', () => {
  test('is not trusted before its authority is known, and needs no restart to be', async () => {
    for (const client of commandLines(engine)) {
      const { code, stderr } = await client.run(['pull', `${closed}/team/app:1`]);
      assert.equal(code, 1, client.name);
      assert.match(stderr, /tls: failed to verify certificate: x509: certificate signed by unknown authority/);
    }
    trust(closed, 'ca.crt', 'ca.crt');
    for (const client of commandLines(engine)) {
      const { code, stderr } = await client.run(['pull', `${closed}/team/app:1`]);
      assert.equal(code, 1, client.name);
      assert.match(stderr, /no basic auth credentials/, client.name);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('takes and gives images of who logs in', async () => {
    const { docker } = engine;
    for (const client of commandLines(engine)) {
      const name = `${closed}/team/${client.name}:1`;
      const login = await client.run(['login', '-u', 'ada', '--password-stdin', closed], { input: 'secret' });
      assert.equal(login.code, 0, login.stderr);
      await docker('tag', 'busybox', name);
      await client('push', name);
      await client('rmi', name);
      await client('pull', name);
      assert.equal(await client('run', '--rm', '--network', 'none', name, 'echo', 'it runs'), 'it runs', client.name);
      await client('rmi', name);
      await client('logout', closed);
      const stranger = await client.run(['pull', name]);
      assert.match(stranger.stderr, /no basic auth credentials/, client.name);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('that wants to see a certificate is shown the one of its folder', async () => {
    const { docker } = engine;
    const name = `${mutual}/app:1`;
    trust(mutual, 'ca.crt', 'ca.crt');
    await docker('tag', 'busybox', name);
    assert.equal((await docker.run(['push', name])).code, 1);
    trust(mutual, 'client.crt', 'client.cert');
    const half = await docker.run(['push', name]);
    assert.match(half.stderr, /missing key client\.key for client certificate client\.cert\. CA certificates must use/);
    trust(mutual, 'client.key', 'client.key');
    for (const client of commandLines(engine)) {
      await client('push', name);
      await client('rmi', name);
      await client('pull', name);
    }
    await docker('rmi', name);
    await assertUnchanged(engine.host, clean);
  });

  test('may have any certificate once it is called insecure', async () => {
    const { docker } = engine;
    rmSync(join(folder, 'certs.d'), { recursive: true });
    const name = `${closed}/team/docker:1`;
    await reconfigure({ 'insecure-registries': [closed] }, new RegExp(`\n  ${closed}\n`));
    await docker('login', '-u', 'ada', '-p', 'secret', closed);
    await docker('pull', name);
    await docker('rmi', name);
    await docker('logout', closed);
    await assertUnchanged(engine.host, clean);
  });
});

describe('the default registry', () => {
  test('is asked by way of its mirrors', async () => {
    const { docker } = engine;
    await docker('tag', 'busybox', `${PLAIN}/library/mirrored:1`);
    await docker('push', `${PLAIN}/library/mirrored:1`);
    await docker('rmi', `${PLAIN}/library/mirrored:1`);
    await reconfigure({ 'registry-mirrors': [`http://${PLAIN}`] }, new RegExp(`Registry Mirrors:\n  http://${PLAIN}`));
    for (const client of commandLines(engine)) {
      assert.match(await client('pull', 'mirrored:1'), /Status: Downloaded newer image for mirrored:1/, client.name);
      assert.equal(await client('run', '--rm', '--network', 'none', 'mirrored:1', 'echo', 'it runs'), 'it runs');
      await client('rmi', 'mirrored:1');
      // What the mirror lacks is asked of the registry itself.
      const { stderr } = await client.run(['pull', 'mirrored:2']);
      assert.match(stderr, /lookup registry-1\.docker\.io: no such host/, client.name);
    }
    await assertUnchanged(engine.host, clean);
  });
});

describe('a proxy', () => {
  test('stands between, when there is one, but not for whom it is not meant', async () => {
    const { docker, daemon, host } = engine;
    trust(closed, 'ca.crt', 'ca.crt');
    const open = `${host.address}:5000`;
    const proxy = 'http://ada:secret@127.0.0.1:3128';
    const config = {
      proxies: { 'http-proxy': proxy, 'https-proxy': proxy, 'no-proxy': 'direct.example' },
      'insecure-registries': [open],
    };
    writeFileSync(configuration, JSON.stringify(config));
    await daemon.stop();
    await daemon.start();
    assert.match(await docker('info'), /HTTP Proxy: http:\/\/xxxxx:xxxxx@127\.0\.0\.1:3128/);
    await docker('login', '-u', 'ada', '-p', 'secret', closed);
    await docker('pull', `${closed}/team/docker:1`);
    await docker('rmi', `${closed}/team/docker:1`);
    await docker('logout', closed);
    assert.ok(seen().includes(`CONNECT ${closed}`), seen().join('\n'));

    await docker('tag', 'busybox', `${open}/by/proxy:1`);
    await docker('push', `${open}/by/proxy:1`);
    await docker('rmi', `${open}/by/proxy:1`);
    assert.ok(
      seen().some((line) => line.startsWith(`PUT http://${open}/v2/by/proxy/manifests/1`)),
      seen().join('\n'),
    );

    const before = seen().length;
    await docker('pull', `${PLAIN}/by/proxy:1`);
    await docker('rmi', `${PLAIN}/by/proxy:1`);
    const direct = await docker.run(['pull', 'direct.example/app']);
    assert.match(direct.stderr, /dial tcp: lookup direct\.example: no such host/);
    assert.equal(seen().length, before);
    await assertUnchanged(host, clean);
  });
});
