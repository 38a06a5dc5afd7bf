import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import {
  copiedResolvConf,
  embeddedResolvConf,
  HostServers,
  parseResolvConf,
  type ResolvConf,
  readHostServers,
  renderResolvConf,
} from './index.ts';

describe('resolv.conf', () => {
  it('is read as resolvers read it', () => {
    const text = `# comment
nameserver 192.0.2.1 # trailing
 nameserver\t2001:DB8::1
nameserver fe80::1%eth0
nameserver nonsense
domain example.org
search a.example  b.example ; more
options edns0 ndots:2
options timeout:1
sortlist 130.155.160.0`;
    assert.deepEqual(parseResolvConf(text), {
      servers: ['192.0.2.1', '2001:db8::1'],
      search: ['a.example', 'b.example'],
      options: ['edns0', 'ndots:2', 'timeout:1'],
    });
    assert.deepEqual(parseResolvConf(''), { servers: [], search: [], options: [] });
  });

  it('is written so that it reads the same', () => {
    const conf = parseResolvConf('nameserver 192.0.2.1\nnameserver ::1\nsearch a b\noptions ndots:1 edns0\n');
    assert.equal(renderResolvConf(conf), 'nameserver 192.0.2.1\nnameserver ::1\nsearch a b\noptions ndots:1 edns0\n');
    assert.deepEqual(parseResolvConf(renderResolvConf(conf)), conf);
    assert.equal(renderResolvConf({ servers: conf.servers, search: ['.'], options: [] }).includes('search'), false);
  });

  it('of a sandbox names the embedded resolver and adds ndots:0 unless it is set', () => {
    const text = (options: readonly string[]): string =>
      renderResolvConf(embeddedResolvConf({ search: ['x'], options }));
    assert.equal(text([]), 'nameserver 127.0.0.11\nsearch x\noptions ndots:0\n');
    assert.equal(text(['edns0']), 'nameserver 127.0.0.11\nsearch x\noptions edns0 ndots:0\n');
    assert.equal(text(['ndots:3']), 'nameserver 127.0.0.11\nsearch x\noptions ndots:3\n');
  });

  it('of the host loses its loopback servers when it is copied', () => {
    const host = parseResolvConf('nameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver ::1\n');
    assert.deepEqual(copiedResolvConf(host).servers, ['192.0.2.1']);
  });
});

describe("the host's servers", () => {
  const folder = mkdtempSync(join(tmpdir(), 'fwt-resolv-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('are none without a file', () => {
    assert.deepEqual(readHostServers(join(folder, 'missing')).servers, []);
  });

  it('are followed when the file is replaced, also behind a link', { timeout: 30_000 }, async () => {
    const real = join(folder, 'real');
    mkdirSync(real);
    const file = join(folder, 'resolv.conf');
    writeFileSync(join(real, 'stub.conf'), 'nameserver 192.0.2.1\n');
    symlinkSync(join(real, 'stub.conf'), file);
    let heard: (conf: ResolvConf) => void = () => {};
    using hosts = new HostServers(file, { onChange: (conf) => heard(conf) });
    const change = (): Promise<ResolvConf> => new Promise((resolve) => (heard = resolve));
    assert.deepEqual(hosts.current.servers, ['192.0.2.1']);
    const first = change();
    writeFileSync(join(real, 'next'), 'nameserver 192.0.2.2\n');
    renameSync(join(real, 'next'), join(real, 'stub.conf'));
    // The watch keeps no process alive; here somebody waits for it.
    const alive = setInterval(() => {}, 1000);
    assert.deepEqual((await first).servers, ['192.0.2.2']);
    const second = change();
    rmSync(file);
    writeFileSync(join(folder, 'other'), 'nameserver 192.0.2.3\n');
    renameSync(join(folder, 'other'), file);
    let conf = await second;
    if (conf.servers.length === 0) conf = await change();
    assert.deepEqual(conf.servers, ['192.0.2.3']);
    clearInterval(alive);
  });
});
