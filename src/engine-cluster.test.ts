import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import { onlyAddress } from './engine-cluster.ts';
import { addressOf } from './engine-cluster-options.ts';

function links(of: Readonly<Record<string, readonly string[]>>): NodeJS.Dict<NetworkInterfaceInfo[]> {
  return Object.fromEntries(
    Object.entries(of).map(([link, addresses]) => [
      link,
      addresses.map((address) => ({ address }) as NetworkInterfaceInfo),
    ]),
  );
}

test('the address of a host that has only one is no question', () => {
  const host = { lo: ['127.0.0.1', '::1'], 'br-0123': ['172.18.0.1'], fairway0: ['172.17.0.1'] };
  assert.equal(onlyAddress(links({ ...host, eth0: ['fe80::1', 'fd00::1', '192.0.2.1'] })), '192.0.2.1');
  assert.equal(onlyAddress(links({ ...host, eth0: ['fe80::1', 'fd00::1'] })), 'fd00::1');
  assert.throws(() => onlyAddress(links(host)), {
    code: 'advertise_unclear',
    message: /this host has none.*--advertise-addr/,
  });
  assert.throws(() => onlyAddress(links({ eth0: ['192.0.2.1'], eth1: ['198.51.100.1'] })), {
    message: /this host has several \(192\.0\.2\.1 on eth0, 198\.51\.100\.1 on eth1\)/,
  });
});

test('a link stands for its first address that reaches further than the link', () => {
  const host = links({ eth0: ['fe80::1', 'fd00::1', '192.0.2.1'], eth1: ['fe80::2'] });
  assert.equal(addressOf({ link: 'eth0' }, 'cluster-advertise', host), '192.0.2.1');
  assert.throws(() => addressOf({ link: 'eth1' }, 'cluster-advertise', host), {
    code: 'advertise_no_address',
    message: 'invalid value "eth1" for "cluster-advertise": it has no address',
  });
  assert.throws(() => addressOf({ link: 'eth9' }, 'cluster-advertise', host), /there is no such link/);
});
