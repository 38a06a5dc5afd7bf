import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parseIp } from '../../base/index.ts';
import {
  copiedResolvConf,
  embeddedResolvConf,
  HostServers,
  parseResolvConf,
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
    const alone = parseResolvConf('nameserver 127.0.0.53\n');
    assert.deepEqual(copiedResolvConf(alone).servers, []);
    assert.deepEqual(copiedResolvConf({ ...alone, behind: [parseIp('192.0.2.2')] }).servers, ['192.0.2.2']);
  });
});

describe("the host's servers", () => {
  const folder = mkdtempSync(join(tmpdir(), 'fwt-resolv-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('are none without a file', () => {
    assert.deepEqual(readHostServers(join(folder, 'missing')).servers, []);
  });

  it('of systemd-resolved are known with those behind it, and these are followed', { timeout: 30_000 }, async () => {
    const base = mkdtempSync(join(folder, 'resolved-'));
    const file = join(base, 'resolv.conf');
    const resolvedPath = join(base, 'resolve', 'resolv.conf');
    writeFileSync(file, 'nameserver 127.0.0.53\n');
    using hosts = new HostServers(file, { resolvedPath });
    assert.equal(hosts.current.behind, undefined);
    const alive = setInterval(() => {}, 1000);
    mkdirSync(join(base, 'resolve'));
    for (const server of ['192.0.2.1', '192.0.2.2']) {
      const heard = new Promise((resolve) => hosts.changes.on(resolve));
      replace(resolvedPath, server);
      await heard;
      assert.deepEqual(hosts.current.servers, ['127.0.0.53']);
      assert.deepEqual(hosts.current.behind, [server]);
    }
    clearInterval(alive);
    writeFileSync(file, 'nameserver 192.0.2.9\n');
    hosts.refresh();
    assert.deepEqual(hosts.current, { servers: ['192.0.2.9'], search: [], options: [] });
  });

  /** What is followed at `file`, and a wait until it names these servers. */
  function follow(file: string) {
    const heard: (() => void)[] = [];
    const hosts = new HostServers(file);
    hosts.changes.on(() => {
      for (const wake of heard.splice(0)) wake();
    });
    // The watch keeps no process alive; here somebody waits for it.
    const alive = setInterval(() => {}, 1000);
    return {
      until: async (...servers: string[]): Promise<void> => {
        while (JSON.stringify(hosts.current.servers) !== JSON.stringify(servers)) {
          await new Promise<void>((resolve) => heard.push(resolve));
        }
      },
      [Symbol.dispose]: () => {
        clearInterval(alive);
        hosts.close();
      },
    };
  }

  function replace(file: string, server: string): void {
    writeFileSync(`${file}.new`, `nameserver ${server}\n`);
    renameSync(`${file}.new`, file);
  }

  it('are followed when the file is written, replaced, removed and made again', { timeout: 30_000 }, async () => {
    const file = join(mkdtempSync(join(folder, 'plain-')), 'resolv.conf');
    writeFileSync(file, 'nameserver 192.0.2.1\n');
    using hosts = follow(file);
    await hosts.until('192.0.2.1');
    writeFileSync(file, 'nameserver 192.0.2.2\n');
    await hosts.until('192.0.2.2');
    for (let last = 3; last < 20; last += 1) {
      replace(file, `192.0.2.${last}`);
      if (last % 3 === 0) await hosts.until(`192.0.2.${last}`);
    }
    await hosts.until('192.0.2.19');
    // The file that came by the last rename is followed as the first one was.
    writeFileSync(file, 'nameserver 192.0.2.20\n');
    await hosts.until('192.0.2.20');
    rmSync(file);
    await hosts.until();
    writeFileSync(file, 'nameserver 192.0.2.21\n');
    await hosts.until('192.0.2.21');
  });

  it('are followed through links that are switched and folders that come later', { timeout: 30_000 }, async () => {
    const base = mkdtempSync(join(folder, 'links-'));
    const file = join(base, 'resolv.conf');
    const stub = join(base, 'run', 'stub.conf');
    mkdirSync(join(base, 'etc'));
    symlinkSync(join('run', 'stub.conf'), file);
    using hosts = follow(file);
    await hosts.until();
    mkdirSync(join(base, 'run'));
    replace(stub, '192.0.2.1');
    await hosts.until('192.0.2.1');
    replace(stub, '192.0.2.2');
    await hosts.until('192.0.2.2');
    writeFileSync(join(base, 'etc', 'other'), 'nameserver 192.0.2.3\n');
    symlinkSync('etc/other', join(base, 'next'));
    renameSync(join(base, 'next'), file);
    await hosts.until('192.0.2.3');
    // Where it leads now is followed, and where it led is not.
    replace(stub, '192.0.2.9');
    replace(join(base, 'etc', 'other'), '192.0.2.4');
    await hosts.until('192.0.2.4');
    rmSync(join(base, 'etc'), { recursive: true });
    await hosts.until();
    mkdirSync(join(base, 'etc'));
    replace(join(base, 'etc', 'other'), '192.0.2.5');
    await hosts.until('192.0.2.5');
  });
});
