import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually } from '../../../test/support/eventually.ts';
import { type Ip, parseCidr } from '../../base/index.ts';
import { hasFeature } from '../features.ts';
import { isErrno, openFdCount } from '../ffi/index.ts';
import { createNetns, deleteNetns, openNetns } from '../netns/index.ts';
import type { XfrmPolicy } from './policies.ts';
import { Xfrm, XfrmMonitor } from './xfrm.ts';

const path = `/run/netns/fwt-xfrm-${process.pid}`;

describe('IPsec in a namespace', () => {
  const before = openFdCount();
  createNetns(path);
  const ns = openNetns(path);
  const xfrm = Xfrm.open(ns);

  after(() => {
    for (const owned of [xfrm, ns]) owned.close();
    deleteNetns(path);
    assert.equal(openFdCount(), before);
  });

  const policy: XfrmPolicy = {
    direction: 'out',
    selector: {
      family: 6,
      source: parseCidr('2001:db8::1/128'),
      destination: parseCidr('2001:db8::2/128'),
      protocol: 17,
      sourcePort: undefined,
      destinationPort: 4790,
    },
    priority: 100,
    template: { reqid: 7, spi: 0x1234, source: undefined, destination: undefined },
  };

  it('sets, changes, lists and removes policies', () => {
    xfrm.policies.replace(policy);
    assert.deepEqual(xfrm.policies.list(), [policy]);
    const changed: XfrmPolicy = { ...policy, priority: 5, template: undefined };
    xfrm.policies.replace(changed);
    assert.deepEqual(xfrm.policies.list(), [changed]);
    assert.equal(xfrm.policies.remove(policy), true);
    assert.equal(xfrm.policies.remove(policy), false);
    assert.deepEqual(xfrm.policies.list(), []);
  });

  it('tells when something is taken away', async () => {
    let told = 0;
    using _monitor = XfrmMonitor.open({ netns: ns }, () => {
      told += 1;
    });
    using other = Xfrm.open(ns);
    other.policies.replace(policy);
    const added = told;
    other.policies.remove(policy);
    await eventually(() => assert.ok(told > added));
  });

  for (const [feature, source, destination] of [
    ['espGcm', '192.0.2.1', '192.0.2.2'],
    ['esp6Gcm', '2001:db8::1', '2001:db8::2'],
  ] as const) {
    const skip = hasFeature(feature) ? false : `this kernel lacks what ${feature} stands for`;
    it(`adds, lists and removes security associations (${feature})`, { skip }, () => {
      const id = { source: source as Ip, destination: destination as Ip, spi: 0xffff_0001 };
      const key = Uint8Array.from({ length: 36 }, (_, at) => at);
      xfrm.states.add({ ...id, reqid: 9, key, replayWindow: 1024 });
      assert.throws(
        () => xfrm.states.add({ ...id, reqid: 9, key, replayWindow: 1024 }),
        (error) => isErrno(error, 'EEXIST'),
      );
      const [state] = xfrm.states.list();
      assert.deepEqual(
        { ...state, key: Buffer.from(state?.key ?? []).toString('hex') },
        {
          ...id,
          family: feature === 'espGcm' ? 4 : 6,
          protocol: 50,
          reqid: 9,
          transport: true,
          esn: true,
          algorithm: 'rfc4106(gcm(aes))',
          key: Buffer.from(key).toString('hex'),
          packets: 0n,
        },
      );
      assert.equal(xfrm.states.remove(id), true);
      assert.equal(xfrm.states.remove(id), false);
    });
  }
});
