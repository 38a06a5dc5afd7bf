import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isErrno, OwnedFd, openFdCount, openFile } from './index.ts';

describe('an owned file descriptor', () => {
  it('is closed at the end of its block, and counted until then', () => {
    const before = openFdCount();
    {
      using file = openFile('/dev/null');
      assert.ok(file.fd > 2);
      assert.equal(openFdCount(), before + 1);
    }
    assert.equal(openFdCount(), before);
  });

  it('cannot be used after closing, and closes once', () => {
    const file = openFile('/dev/null');
    file.close();
    file.close();
    assert.equal(file.closed, true);
    assert.throws(() => file.fd, /cannot use \/dev\/null: it is closed/);
    assert.throws(() => file.release(), /it is closed/);
  });

  it('can be handed to another owner', () => {
    const before = openFdCount();
    const file = openFile('/dev/null');
    const number = file.release();
    file.close();
    assert.equal(openFdCount(), before);
    new OwnedFd(number, 'the second owner').close();
    assert.equal(openFdCount(), before);
  });

  it('says which file is missing', () => {
    assert.throws(
      () => openFile('/dev/null/missing'),
      (error) => isErrno(error, 'ENOTDIR') && /cannot open \/dev\/null\/missing/.test(String(error)),
    );
  });
});
