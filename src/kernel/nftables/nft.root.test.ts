import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { createNetns, deleteNetns, openNetns, runInNewNetns } from '../netns/index.ts';
import { Nft, NftError } from './index.ts';

const path = `/run/netns/fwt-nft-${process.pid}`;

describe('nftables in a namespace', () => {
  createNetns(path);
  const ns = openNetns(path);
  const nft = Nft.open(ns);

  after(() => {
    nft.close();
    ns.close();
    deleteNetns(path);
  });

  it('applies a script and lists what is there', () => {
    nft.run('add table ip fwt; add set ip fwt taken { type ipv4_addr; }; add element ip fwt taken { 192.0.2.1 }');
    assert.match(nft.run('list table ip fwt'), /192\.0\.2\.1/);
    const json = nft.runJson('list sets') as { nftables: { set?: { name: string } }[] };
    assert.equal(
      json.nftables.some((item) => item.set?.name === 'taken'),
      true,
    );
  });

  it('belongs to its namespace', () => {
    using home = runInNewNetns(() => Nft.open());
    assert.equal(home.runIfPresent('list table ip fwt'), false);
  });

  it('does what it was told, and says so, while signals come in', async () => {
    nft.run('add table ip busy; add set ip busy s { type ipv4_addr; }');
    let signals = 0;
    const count = (): void => {
      signals += 1;
    };
    process.on('SIGWINCH', count);
    // Ends when its parent does.
    const storm = `const parent = ${process.pid};
      const nothing = new Int32Array(new SharedArrayBuffer(4));
      console.log('strikes');
      while (process.ppid === parent) {
        process.kill(parent, 'SIGWINCH');
        Atomics.wait(nothing, 0, 0, 0.02);
      }`;
    const sender = spawn(process.execPath, ['-e', storm], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(sender.stdout, 'data');
    try {
      for (let round = 0; round < 3000; round += 1) {
        nft.run('add element ip busy s { 192.0.2.7 }; delete element ip busy s { 192.0.2.7 }');
        // Only now are they counted.
        if (round % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      assert.ok(signals > 0);
    } finally {
      sender.kill('SIGKILL');
      await once(sender, 'exit');
      process.off('SIGWINCH', count);
      nft.run('delete table ip busy');
    }
  });

  it('works beside more descriptors than select() can name, and again after that', () => {
    const open = Array.from({ length: 1200 }, () => openSync('/dev/null', 'r'));
    try {
      assert.ok(Math.max(...open) > 1100);
      const table = 'table ip many { }';
      const lists = Array.from({ length: 5 }, () => {
        using other = runInNewNetns(() => Nft.open());
        other.run(table);
        return other.run('list tables');
      });
      assert.deepEqual(lists, Array(5).fill('table ip many\n'));
    } finally {
      for (const fd of open) closeSync(fd);
    }
  });

  it('does all of a script or nothing, and says why', () => {
    assert.throws(
      () => nft.run('add element ip fwt taken { 192.0.2.2 }\ndelete element ip fwt taken { 192.0.2.9 }'),
      (error) => error instanceof NftError && error.missing && /No such file/.test(error.message),
    );
    assert.doesNotMatch(nft.run('list table ip fwt'), /192\.0\.2\.2/);
    assert.throws(
      () => nft.run('create table ip fwt'),
      (error) => error instanceof NftError && error.exists,
    );
    assert.throws(
      () => nft.run('nonsense'),
      (error) => error instanceof NftError && !error.missing && /syntax error/.test(error.message),
    );
  });

  it('goes on after a failure, and deletes idempotently', () => {
    assert.equal(nft.runIfPresent('delete element ip fwt taken { 192.0.2.1 }'), true);
    assert.equal(nft.runIfPresent('delete element ip fwt taken { 192.0.2.1 }'), false);
  });
});
