import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Id } from '../../base/index.ts';
import type { NetworkRecord } from '../../model/index.ts';
import { checkMacvlanRequest } from '../macvlan/plan.ts';
import { parseParent, vlanOf } from './options.ts';

const ID = `0123456789abcdef${'0'.repeat(48)}` as Id;

describe('the parent of a network', () => {
  it('is the link that is named, never loopback', () => {
    assert.deepEqual(parseParent({ parent: 'eth0' }, ID, 'macvlan'), { name: 'eth0', dummy: false });
    assert.throws(() => parseParent({ parent: 'lo' }, ID, 'macvlan'), {
      message: 'loopback interface is not a valid macvlan parent link',
    });
    assert.throws(() => parseParent({ parent: 'a b' }, ID, 'ipvlan'), /invalid value "a b" of option "parent"/);
  });

  it('is a dummy link of our own when nobody names one', () => {
    assert.deepEqual(parseParent({}, ID, 'ipvlan'), { name: 'dm-0123456789ab', dummy: true });
  });

  it('can be a VLAN from 1 to 4094', () => {
    assert.deepEqual(vlanOf('eth0.10'), { parent: 'eth0', id: 10 });
    assert.equal(vlanOf('eth0'), undefined);
    for (const name of ['eth0.0', 'eth0.4095']) assert.throws(() => vlanOf(name), /must be a number from 1 to 4094/);
  });

  it('is not shared with a network in mode passthru', () => {
    const request = (mode: string): Parameters<typeof checkMacvlanRequest>[0] => ({
      id: 'f'.repeat(64) as Id,
      name: 'new',
      enableIpv4: true,
      enableIpv6: false,
      internal: false,
      options: { parent: 'eth0', macvlan_mode: mode },
      pools: [],
    });
    const other = (mode: string): NetworkRecord => ({
      ...request(mode),
      id: ID,
      name: 'old',
      created: '0',
      scope: 'local',
      driver: 'macvlan',
      attachable: false,
      ingress: false,
      configOnly: false,
      labels: {},
      ipam: { driver: 'default', options: {}, requested: [] },
      pools: [],
    });
    checkMacvlanRequest(request('bridge'), [other('private')]);
    assert.throws(() => checkMacvlanRequest(request('passthru'), [other('bridge')]), /cannot use mode passthru/);
    assert.throws(() => checkMacvlanRequest(request('bridge'), [other('passthru')]), /in mode passthru/);
  });
});
