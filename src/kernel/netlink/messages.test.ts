import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Ip, type Mac, parseCidr } from '../../base/index.ts';
import { addressMessage, decodeAddress } from './addresses.ts';
import {
  uapi as c,
  failureIn,
  listAttributes,
  MessageWriter,
  pack,
  readAttributes,
  readMessages,
} from './core/index.ts';
import { decodeFdb, fdbMessage } from './fdb.ts';
import { decodeLink } from './link-decode.ts';
import { createLinkMessage, vethData, vxlanData } from './link-kinds.ts';
import { setLinkMessage } from './links.ts';
import { decodeRoute, routeMessage } from './routes.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const only = (bytes: Uint8Array) => {
  const [message] = readMessages(bytes);
  assert.ok(message);
  return message;
};

describe('the netlink codec', () => {
  it('pads attributes to four bytes and counts the padding in nests', () => {
    const write = new MessageWriter(16, 5).raw(Uint8Array.of(1, 2, 3, 4)).u8(1, 7);
    write.nest(2, () => write.text(3, 'ab')).u16be(4, 4789);
    const expected = [
      '30000000' + '1000' + '0500' + '09000000' + '00000000',
      '01020304',
      '0500' + '0100' + '07000000',
      '0c00' + '0280' + '0700' + '0300' + '61620000',
      '0600' + '0400' + '12b50000',
    ];
    assert.equal(hex(write.finish(9)), expected.join(''));
  });

  it('reads back what it wrote, whatever the sizes', () => {
    const attribute = fc.record({
      type: fc.integer({ min: 1, max: 0x3fff }),
      value: fc.uint8Array({ maxLength: 900 }),
    });
    fc.assert(
      fc.property(fc.array(attribute), (attributes) => {
        const write = new MessageWriter(20, 1);
        for (const { type, value } of attributes) write.bytes(type, value);
        const message = only(write.finish(1).slice());
        assert.deepEqual(
          listAttributes(message.body).map(([type, value]) => [type, hex(value)]),
          attributes.map(({ type, value }) => [type, hex(value)]),
        );
      }),
    );
  });

  it('splits a datagram into its messages and refuses one that is cut', () => {
    const one = new MessageWriter(16, 0).u8(1, 1).finish(1).slice();
    const two = Uint8Array.from([...one, ...one]);
    assert.equal(readMessages(two).length, 2);
    assert.throws(() => readMessages(two.subarray(0, two.length - 4)), /cannot read netlink message/);
  });

  it('never throws on attributes that make no sense', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 200 }), (body) => {
        const message = { type: 16, flags: 0, sequence: 0, portId: 0, body };
        decodeLink(message);
        decodeAddress(message);
        readAttributes(body).nested(1);
      }),
    );
  });

  it('passes on what the kernel says beyond the number', () => {
    const text = Buffer.from('\u0011\0\u0001\0Unknown type\0\0\0\0');
    const body = Uint8Array.from([...pack([4, -95]), ...new Uint8Array(16), ...text]);
    const failure = failureIn(
      { type: 2, flags: c.NLM_F_CAPPED | c.NLM_F_ACK_TLVS, sequence: 1, portId: 0, body },
      'make it',
    );
    assert.equal(failure?.errno, 'EOPNOTSUPP');
    assert.equal(failure?.extended, 'Unknown type');
    assert.match(failure?.message ?? '', /^cannot make it: operation not supported.* \(EOPNOTSUPP\): Unknown type$/);
    assert.equal(failureIn({ type: 2, flags: 0, sequence: 1, portId: 0, body: pack([4, 0]) }, 'x'), undefined);
  });
});

describe('rtnetlink messages', () => {
  it('puts the peer of a veth inside, with a header of its own', () => {
    const write = new MessageWriter(16, 0);
    const spec = {
      name: 'v0',
      peerName: 'eth0',
      peerNetns: { fd: 42 },
      mtu: 1500,
      peerMac: '02:00:00:00:00:01' as Mac,
    };
    createLinkMessage(write, 'veth', spec, () => vethData(write, spec));
    const attributes = readAttributes(only(write.finish(1)).body, 16);
    assert.equal(attributes.text(c.IFLA_IFNAME), 'v0');
    const info = attributes.nested(c.IFLA_LINKINFO);
    assert.equal(info?.text(c.IFLA_INFO_KIND), 'veth');
    const peer = info?.nested(c.IFLA_INFO_DATA)?.bytes(c.VETH_INFO_PEER);
    assert.ok(peer);
    const inner = readAttributes(peer, 16);
    assert.equal(inner.text(c.IFLA_IFNAME), 'eth0');
    assert.equal(inner.u32(c.IFLA_NET_NS_FD), 42);
    assert.equal(inner.u32(c.IFLA_MTU), 1500);
    assert.equal(hex(inner.bytes(c.IFLA_ADDRESS) ?? new Uint8Array()), '020000000001');
  });

  it('writes a VXLAN port in network order', () => {
    const write = new MessageWriter(16, 0);
    vxlanData(write, { name: 'x', vni: 4097, port: 4789, local: '192.0.2.1' as Ip });
    const data = readAttributes(only(write.finish(1)).body);
    assert.equal(hex(data.bytes(c.IFLA_VXLAN_PORT) ?? new Uint8Array()), '12b5');
    assert.equal(hex(data.bytes(c.IFLA_VXLAN_LOCAL) ?? new Uint8Array()), 'c0000201');
  });

  it('changes only the flags it was asked to', () => {
    const body = only(setLinkMessage(7, { up: false }).finish(1)).body;
    assert.equal(hex(body), '00000000' + '07000000' + '00000000' + '01000000');
  });

  it('brings an address and a route back from their messages', () => {
    const cidr = parseCidr('fd00::2/64');
    const address = decodeAddress(only(addressMessage(new MessageWriter(20, 0), 3, cidr, { noDad: true }).finish(1)));
    assert.deepEqual(address?.cidr, cidr);
    assert.equal(address?.linkIndex, 3);
    const route = {
      destination: parseCidr('10.1.2.3/16'),
      gateway: 'fd00::1' as Ip,
      table: 1000,
      metric: 5,
      linkIndex: 2,
    };
    const decoded = decodeRoute(only(routeMessage(new MessageWriter(24, 0), route).finish(1)));
    assert.deepEqual(decoded?.destination, parseCidr('10.1.0.0/16'));
    assert.equal(decoded?.gateway, 'fd00::1');
    assert.equal(decoded?.table, 1000);
    assert.equal(decoded?.metric, 5);
    assert.throws(() => routeMessage(new MessageWriter(24, 0), { linkIndex: 1 }), /family of a route/);
  });

  it('brings a forwarding entry back from its message', () => {
    const spec = { linkIndex: 4, mac: '02:00:00:00:00:05' as Mac, destination: '192.0.2.1' as Ip, vni: 9 };
    const entry = decodeFdb(only(fdbMessage(new MessageWriter(28, 0), spec).finish(1)));
    assert.equal(entry?.mac, spec.mac);
    assert.equal(entry?.destination, spec.destination);
    assert.equal(entry?.vni, 9);
    assert.equal(entry?.self, true);
  });
});
