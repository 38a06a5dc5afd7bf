import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCidr, parseIp } from '../../base/index.ts';
import type { FirewallEntry } from '../../model/index.ts';
import { elementsOf, entryKey } from './elements.ts';
import { guard, link, network, openPort, port, testId } from './testing/entries.ts';

function lines(entry: FirewallEntry): string[] {
  return elementsOf(entry).map(({ set, key, value }) =>
    value === undefined ? `${set} ${key}` : `${set} ${key} : ${value}`,
  );
}

describe('elements of a network', () => {
  it('are its bridge, how to enter and leave it, and its source', () => {
    assert.deepEqual(lines(network('fwd', '172.30.0.1/16')), [
      'bridges "fwd"',
      'inside4 "fwd" . 172.30.0.0/16',
      'same4 "fwd" . "fwd" : accept',
      'enter4 "fwd" : jump protected4',
      'outward4 "fwd"',
      'masquerade4 "fwd" . 172.30.0.0/16',
    ]);
  });

  it('name the source address when one is given, and none in mode routed', () => {
    const snat = network('br0', '10.0.0.0/24', { masquerade: parseIp('192.0.2.9') });
    assert.ok(lines(snat).includes('snat4 "br0" . 10.0.0.0/24 : 192.0.2.9'));
    assert.ok(!lines(snat).some((line) => line.startsWith('masquerade')));
    const routed = lines(network('br0', 'fd00::/64', { gatewayMode: 'routed' }));
    assert.ok(routed.includes('enter6 "br0" : jump routed6'));
    assert.ok(!routed.some((line) => line.startsWith('masquerade')));
    assert.ok(
      !lines(network('br0', '10.0.0.0/24', { masquerade: false })).some((line) => line.startsWith('masquerade')),
    );
  });

  it('keep an internal or isolated network closed both ways, trusted interfaces or not', () => {
    for (const more of [{ internal: true }, { gatewayMode: 'isolated' as const }]) {
      assert.deepEqual(lines(network('br0', '10.0.0.0/24', { ...more, trustedInterfaces: ['eth0'] })), [
        'bridges "br0"',
        'inside4 "br0" . 10.0.0.0/24',
        'same4 "br0" . "br0" : accept',
        'enter4 "br0" : drop',
      ]);
    }
  });

  it('close the way from the bridge to itself when icc is off', () => {
    assert.ok(lines(network('br0', '10.0.0.0/24', { icc: false })).includes('same4 "br0" . "br0" : jump closed4'));
  });

  it('let trusted interfaces in, each once', () => {
    const trusted = lines(network('br0', '10.0.0.0/24', { trustedInterfaces: ['eth0', 'wg0', 'eth0'] }));
    assert.deepEqual(
      trusted.filter((line) => line.startsWith('trusted')),
      ['trusted4 "eth0" . "br0"', 'trusted4 "wg0" . "br0"'],
    );
  });
});

describe('elements of ports and links', () => {
  it('tell the wildcard from an address', () => {
    assert.deepEqual(lines(port('0.0.0.0:8080', '172.30.0.2:80')), ['wildcard4 tcp . 8080 : 172.30.0.2 . 80']);
    assert.deepEqual(lines(port('[::]:53', '[fd00::2]:53', { protocol: 'udp' })), [
      'wildcard6 udp . 53 : fd00::2 . 53',
    ]);
    assert.deepEqual(lines(port('192.0.2.1:8080', '172.30.0.2:80')), [
      'specific4 192.0.2.1 . tcp . 8080 : 172.30.0.2 . 80',
    ]);
  });

  it('guard a port published on an IPv4 loopback address', () => {
    assert.deepEqual(lines(port('127.0.0.1:8080', '172.30.0.2:80')), [
      'specific4 127.0.0.1 . tcp . 8080 : 172.30.0.2 . 80',
      'local4 127.0.0.1 . tcp . 8080',
    ]);
  });

  it('are one for an open port and one for a link', () => {
    assert.deepEqual(lines(openPort('172.30.0.2:80')), ['open4 172.30.0.2 . tcp . 80']);
    assert.deepEqual(lines(link('172.30.0.2', '172.30.0.3:6379')), ['links4 172.30.0.2 . 172.30.0.3 . tcp . 6379']);
  });

  it('carry the ids of network and endpoint', () => {
    assert.equal(elementsOf(port('0.0.0.0:1', '1.2.3.4:1'))[0]?.comment, 'network aaaaaaaaaaaa endpoint eeeeeeeeeeee');
  });
});

describe('an entry that cannot be expressed', () => {
  const cases: [string, FirewallEntry, RegExp][] = [
    ['two families', port('0.0.0.0:80', '[fd00::2]:80'), /different families/],
    ['a link between families', link('1.2.3.4', '[fd00::2]:80'), /different families/],
    ['::1', port('[::1]:80', '[fd00::2]:80'), /comes from ::1/],
    ['no host port', port('0.0.0.0:0', '1.2.3.4:80'), /port 0 is not in 1\.\.65535/],
    ['a port too large', port('0.0.0.0:80', '1.2.3.4:65536'), /port 65536/],
    [
      'a source of the other family',
      network('br0', '10.0.0.0/24', { masquerade: parseIp('::1') }),
      /not of the family/,
    ],
    ['a name that would end the string', network('br"0', '10.0.0.0/24'), /invalid nftables string/],
  ];
  for (const [name, entry, message] of cases) {
    it(`is refused: ${name}`, () => assert.throws(() => elementsOf(entry), message));
  }
});

describe('entry keys', () => {
  it('are the same for a changed network and different for its other subnets', () => {
    const before = network('br0', '10.0.0.0/24');
    assert.equal(entryKey(before), entryKey(network('br0', '10.0.0.0/24', { icc: false })));
    assert.notEqual(entryKey(before), entryKey(network('br0', 'fd00::/64')));
    assert.notEqual(entryKey(before), entryKey(network('br0', '10.0.1.0/24')));
    assert.notEqual(
      entryKey(port('0.0.0.0:1', '1.2.3.4:1')),
      entryKey(port('0.0.0.0:1', '1.2.3.4:1', { protocol: 'udp' })),
    );
  });
});

describe('elements of a cluster', () => {
  it('are one for each node, whose new address takes the place of the old one', () => {
    const node = (address: string) => ({ kind: 'node', nodeId: testId('1'), address: parseIp(address) }) as const;
    assert.deepEqual(lines(node('192.0.2.1')), ['nodes4 192.0.2.1']);
    assert.deepEqual(lines(node('2001:db8::1')), ['nodes6 2001:db8::1']);
    assert.equal(entryKey(node('192.0.2.1')), entryKey(node('2001:db8::1')));
  });

  it('are its data ports, once for all networks', () => {
    assert.deepEqual(lines({ kind: 'dataPort', networkId: testId('e'), port: 4789 }), ['dataPorts 4789']);
    const encrypted = { kind: 'dataPort', networkId: testId('e'), port: 4790, encrypted: true } as const;
    assert.deepEqual(lines(encrypted), ['dataPorts 4790', 'encryptedPorts 4790']);
    assert.throws(() => elementsOf({ kind: 'dataPort', networkId: testId('e'), port: 0 }), /port 0/);
  });

  it('let a network go on behind a link of the host, though it is closed otherwise', () => {
    const beyond = { link: 'eth0', subnet: parseCidr('10.0.1.0/24') };
    const direct = lines(network('ov-1', '10.0.1.0/24', { internal: true, beyond }));
    assert.ok(direct.includes('beyond4 "ov-1" . "eth0" . 10.0.1.0/24'));
    assert.ok(direct.includes('enter4 "ov-1" : jump behind4'));
    assert.throws(
      () => lines(network('ov-1', '10.0.1.0/24', { beyond })),
      /an open network does not go on behind link eth0/,
    );
  });

  it('keep a secluded bridge from the host', () => {
    const overlay = network('ov-1', '10.0.1.0/24', { internal: true, secluded: true });
    assert.ok(lines(overlay).includes('secluded "ov-1"'));
    assert.ok(lines(overlay).includes('same4 "ov-1" . "ov-1" : accept'));
    assert.ok(!lines(network('br0', '10.0.1.0/24')).some((line) => line.startsWith('secluded')));
  });
});

describe('elements of a guarded port', () => {
  it('are its addresses, and what neighbour discovery may say of them', () => {
    assert.deepEqual(lines(guard('veth1', '02:42:0a:00:00:02', '10.0.0.2', 'fd00::2')), [
      'guarded "veth1"',
      'senders "veth1" . 02:42:0a:00:00:02',
      'sources4 "veth1" . 02:42:0a:00:00:02 . 10.0.0.2',
      'sources6 "veth1" . 02:42:0a:00:00:02 . fd00::2',
      'targets6 "veth1" . 0xfd000000000000000000000000000002',
      'lladdrs6 "veth1" . 0x010102420a000002',
      'lladdrs6 "veth1" . 0x020102420a000002',
    ]);
  });

  it('say nothing of IPv6 without an address of it', () => {
    assert.ok(!lines(guard('veth1', '02:42:0a:00:00:02', '10.0.0.2')).some((line) => /6 /.test(line)));
  });
});
