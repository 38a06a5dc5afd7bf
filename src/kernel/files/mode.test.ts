import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { changeMode } from './mode.ts';

it('the mode of a file is changed, but not of one that a link leads to', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fwt-mode-'));
  try {
    const file = join(folder, 'file');
    const link = join(folder, 'link');
    writeFileSync(file, '');
    changeMode(file, 0o640);
    assert.equal(statSync(file).mode & 0o7777, 0o640);
    symlinkSync(file, link);
    try {
      changeMode(link, 0o777);
    } catch (error) {
      // Newer kernels refuse, older ones change the link.
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOTSUP');
    }
    assert.equal(statSync(file).mode & 0o7777, 0o640);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
