import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withAddress } from './network-address.ts';

const known = (name: string): Promise<string> =>
  name === 'server' ? Promise.resolve('192.0.2.7') : Promise.reject(new Error('no such host'));

describe('the address of a remote volume', () => {
  it('is looked up where a name was given', async () => {
    const nfs = { source: ':/data', type: 'nfs', flags: 0 };
    assert.deepEqual(await withAddress({ ...nfs, data: 'nolock,addr=server,rw' }, known), {
      ...nfs,
      data: 'nolock,addr=192.0.2.7,rw',
    });
    const cifs = { source: '//server/share', type: 'cifs', flags: 0, data: 'user=a' };
    assert.deepEqual(await withAddress(cifs, known), { ...cifs, source: '//192.0.2.7/share' });
    assert.deepEqual(await withAddress({ ...cifs, data: 'addr=server' }, known), { ...cifs, data: 'addr=192.0.2.7' });
  });

  it('is left alone where there is no name to look up', async () => {
    for (const mount of [
      { source: ':/data', type: 'nfs', flags: 0, data: 'addr=192.0.2.1' },
      { source: ':/data', type: 'nfs', flags: 0, data: 'addr=2001:db8::1' },
      { source: 'elsewhere:/data', type: 'nfs', flags: 0 },
      { source: '//192.0.2.1/share', type: 'cifs', flags: 0 },
      { source: 'tmpfs', type: 'tmpfs', flags: 0, data: 'addr=server' },
    ]) {
      assert.deepEqual(await withAddress(mount, known), mount);
    }
  });

  it('that nobody knows is an error that names it', async () => {
    await assert.rejects(withAddress({ source: ':/x', type: 'nfs', flags: 0, data: 'addr=gone' }, known), {
      kind: 'invalid',
      message: 'error resolving passed in network volume address: lookup gone: no such host',
    });
  });
});
