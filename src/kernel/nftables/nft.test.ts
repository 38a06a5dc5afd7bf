import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NftError } from './nft.ts';
import { quoteString } from './quote.ts';

describe('nftables text', () => {
  it('refuses strings that would end where they should not', () => {
    assert.equal(quoteString('br-0.10'), '"br-0.10"');
    for (const bad of ['a"b', 'a\nb', 'a\\b', 'a\0b', 'x'.repeat(128)]) assert.throws(() => quoteString(bad));
  });

  it('says each reason once, and the first few only', () => {
    const lines = ['a', 'a', 'b', 'c', 'd', 'e'].map((reason) => `x: Error: ${reason}`).join('\n');
    assert.equal(new NftError(lines).message, 'cannot change nftables: a; b; c; and 2 more reasons');
  });

  it('tells a missing object from other failures', () => {
    const missing =
      '/dev/stdin:1:1-9: Error: Could not process rule: No such file or directory\ndelete table ip x\n^^^^';
    const error = new NftError(missing);
    assert.equal(error.missing, true);
    assert.equal(error.message, 'cannot change nftables: Could not process rule: No such file or directory');
    assert.equal(new NftError(`${missing}\nx: Error: syntax error, unexpected newline`).missing, false);
    assert.equal(new NftError('').missing, false);
    assert.equal(new NftError('1: Error: Could not process rule: File exists').exists, true);
  });
});
