import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { writeEtc, writeUnlessEdited } from './index.ts';

describe('files of /etc', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fwt-etc-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('are made with their folder, and written into without another inode, shorter ones too', () => {
    const path = join(folder, 'made/hosts');
    writeEtc(path, '127.0.0.1\tlocalhost\n10.0.0.2\tböx\n');
    const { ino } = statSync(path);
    writeEtc(path, '127.0.0.1\tö\n');
    assert.equal(readFileSync(path, 'utf8'), '127.0.0.1\tö\n');
    assert.equal(statSync(path).ino, ino);
  });

  it('are left alone when they say so already', () => {
    const path = join(folder, 'hostname');
    writeEtc(path, 'box\n');
    utimesSync(path, 1, 1);
    writeEtc(path, 'box\n');
    assert.equal(statSync(path).mtimeMs, 1000);
    writeEtc(path, 'other\n');
    assert.notEqual(statSync(path).mtimeMs, 1000);
  });

  it('are not written over what somebody has edited', () => {
    const path = join(folder, 'resolv.conf');
    writeUnlessEdited(path, 'nameserver 127.0.0.11\n');
    writeUnlessEdited(path, 'nameserver 192.0.2.1\n');
    assert.equal(readFileSync(path, 'utf8'), 'nameserver 192.0.2.1\n');
    writeFileSync(path, 'nameserver 192.0.2.9\n');
    writeUnlessEdited(path, 'nameserver 127.0.0.11\n');
    assert.equal(readFileSync(path, 'utf8'), 'nameserver 192.0.2.9\n');
  });
});
