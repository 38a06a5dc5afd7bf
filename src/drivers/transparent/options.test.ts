import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTransparentOptions } from './options.ts';

const ID = '0123456789abcdef'.repeat(4);

describe('options of a transparent network', () => {
  it('name the link that leads to the network', () => {
    assert.deepEqual(parseTransparentOptions({ parent: 'eth0' }, ID), {
      parent: { name: 'eth0', dummy: false },
      mtu: undefined,
      antiSpoofing: true,
    });
    assert.throws(() => parseTransparentOptions({}, ID), /needs option "parent"/);
    assert.throws(() => parseTransparentOptions({ parent: 'lo' }, ID), /not a valid transparent parent link/);
  });

  it('of others are refused', () => {
    const labels = { parent: 'eth0', 'com.docker.network.bridge.name': 'br0' };
    assert.throws(() => parseTransparentOptions(labels, ID), /unknown option "com.docker.network.bridge.name"/);
  });
});
