import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { isErrno, openFdCount } from '../ffi/index.ts';
import {
  createNetns,
  currentNetns,
  deleteNetns,
  netnsExists,
  netnsInode,
  openNetns,
  runInNetns,
  runInNewNetns,
} from './index.ts';

const path = `/run/netns/fwt-netns-${process.pid}`;

describe('network namespaces', () => {
  const before = openFdCount();
  after(() => {
    deleteNetns(path);
    assert.equal(openFdCount(), before);
  });

  it('pins a new one and leaves the thread at home', () => {
    using home = currentNetns();
    createNetns(path);
    using now = currentNetns();
    assert.equal(now.identity, home.identity);
    assert.equal(netnsExists(path), true);
    assert.notEqual(netnsInode(path), home.identity);
    assert.throws(
      () => createNetns(path),
      (error) => isErrno(error, 'EEXIST'),
    );
  });

  it('works inside one, nested too, and comes back after an exception', () => {
    using home = currentNetns();
    using ns = openNetns(path);
    const devices = runInNetns(ns, () => {
      const inner = runInNewNetns(() => netnsInode('/proc/thread-self/ns/net'));
      assert.notEqual(inner, ns.identity);
      assert.equal(netnsInode('/proc/thread-self/ns/net'), ns.identity);
      return readFileSync('/proc/thread-self/net/dev', 'utf8');
    });
    assert.equal(/eth0/.test(devices), false);
    assert.throws(
      () =>
        runInNetns(ns, () => {
          throw new Error('inside');
        }),
      /inside/,
    );
    assert.equal(netnsInode('/proc/thread-self/ns/net'), home.identity);
  });

  it('refuses work that goes on later', () => {
    using ns = openNetns(path);
    assert.throws(() => runInNetns(ns, async () => {}), /returned a promise/);
  });

  it('deletes it once, and half of it as well', () => {
    assert.equal(deleteNetns(path), true);
    assert.equal(deleteNetns(path), false);
    assert.equal(existsSync(path), false);
    writeFileSync(path, '');
    assert.equal(netnsExists(path), false);
    assert.throws(
      () => openNetns(path),
      (error) => isErrno(error, 'EINVAL'),
    );
    createNetns(path);
    assert.equal(netnsExists(path), true);
    deleteNetns(path);
  });
});
