import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseIp, parseMac } from '../../base/index.ts';
import { leaseOf } from './lease.ts';
import { decodeAnswer, encodeQuestion } from './message.ts';
import { messageIn, packetOf } from './packet.ts';

const MAC = parseMac('02:42:0a:00:00:05');

/** A server's message made by hand, byte by byte: fixed part, cookie, options. */
function answer(...options: number[]): Uint8Array {
  const bytes = new Uint8Array(240 + options.length);
  bytes.set([2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78]);
  bytes.set([10, 0, 0, 5], 16);
  bytes.set([2, 0x42, 10, 0, 0, 5], 28);
  bytes.set([99, 130, 83, 99, ...options], 236);
  return bytes;
}

const ACK = [53, 1, 5];
const SERVER = [54, 4, 10, 0, 0, 1];
const LEASE_TIME = [51, 4, 0, 0, 0x0e, 0x10];

describe('a question to DHCP servers', () => {
  it('has the form of RFC 2131', () => {
    const bytes = encodeQuestion({
      ...{ type: 'request', transaction: 0x12345678, mac: MAC, clientId: Uint8Array.of(1, 2, 3), hostname: 'web' },
      ...{ requestedAddress: parseIp('10.0.0.5'), server: parseIp('10.0.0.1'), broadcast: true },
    });
    assert.equal(bytes.length, 300);
    assert.deepEqual([...bytes.subarray(0, 12)], [1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0x80, 0]);
    assert.deepEqual([...bytes.subarray(28, 34)], [2, 0x42, 10, 0, 0, 5]);
    const options = [...bytes.subarray(236)];
    assert.deepEqual(options.slice(0, 7), [99, 130, 83, 99, 53, 1, 3]);
    assert.deepEqual(options.slice(7, 24), [61, 3, 1, 2, 3, 50, 4, 10, 0, 0, 5, 54, 4, 10, 0, 0, 1]);
    assert.deepEqual(options.slice(28, 33), [12, 3, ...Buffer.from('web')]);
  });

  it('goes into a packet whose sums are right, and comes out of one', () => {
    const packet = packetOf(
      encodeQuestion({
        ...{ type: 'discover', transaction: 1, mac: MAC, clientId: Uint8Array.of(1), hostname: '', broadcast: true },
      }),
    );
    const sum = (bytes: readonly number[]): number => {
      let total = 0;
      for (let at = 0; at < bytes.length; at += 2) total += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
      while (total > 0xffff) total = (total % 0x10000) + Math.floor(total / 0x10000);
      return total;
    };
    assert.equal(sum([...packet.subarray(0, 20)]), 0xffff);
    const length = packet.length - 20;
    assert.equal(sum([...packet.subarray(12, 20), 0, 17, length >> 8, length & 255, ...packet.subarray(20)]), 0xffff);
    assert.equal(messageIn(packet), undefined, 'it is no answer');
    const back = packet.slice();
    back.set([0, 67, 0, 68], 20);
    assert.equal(messageIn(back)?.length, 300);
  });
});

describe('an answer of a DHCP server', () => {
  it('is read with all that a lease needs', () => {
    const read = decodeAnswer(
      answer(
        ...[0, 0, ...ACK, ...SERVER, ...LEASE_TIME, 1, 4, 255, 255, 252, 0, 3, 4, 10, 0, 0, 254],
        ...[6, 8, 10, 0, 0, 2, 10, 0, 0, 3, 15, 9, ...Buffer.from('lan.test\0'), 26, 2, 5, 120, 58, 4, 0, 0, 2, 0, 255],
      ),
    );
    assert.ok(read);
    assert.equal(read.transaction, 0x12345678);
    assert.equal(read.mac, MAC);
    assert.deepEqual(leaseOf(read, 1000), {
      address: { ip: '10.0.0.5', prefix: 22 },
      server: '10.0.0.1',
      gateway: '10.0.0.254',
      routes: [],
      mtu: 1400,
      dns: ['10.0.0.2', '10.0.0.3'],
      domain: 'lan.test',
      obtainedMs: 1000,
      renewMs: 513_000,
      rebindMs: 3_151_000,
      endMs: 3_601_000,
    });
  });

  it('with classless routes has its gateway among them (RFC 3442)', () => {
    const routes = [121, 20, 24, 10, 9, 8, 10, 0, 0, 7, 0, 10, 0, 0, 6, 16, 10, 20, 0, 0, 0, 0];
    const read = decodeAnswer(answer(...ACK, ...SERVER, ...LEASE_TIME, 3, 4, 10, 0, 0, 254, ...routes, 255));
    assert.ok(read);
    const lease = leaseOf(read, 0);
    assert.equal(lease?.gateway, '10.0.0.6');
    assert.deepEqual(lease?.routes, [
      { destination: { ip: '10.9.8.0', prefix: 24 }, gateway: '10.0.0.7' },
      { destination: { ip: '10.20.0.0', prefix: 16 } },
    ]);
    assert.deepEqual(lease?.address.prefix, 8);
  });

  it('may go on in the fields for file and server name', () => {
    const bytes = answer(...ACK, ...LEASE_TIME, 52, 1, 3, 255);
    bytes.set([...SERVER, 255], 108);
    bytes.set([3, 4, 10, 0, 0, 9, 255], 44);
    const read = decodeAnswer(bytes);
    assert.equal(read?.server, '10.0.0.1');
    assert.equal(read?.router, '10.0.0.9');
  });

  it('that makes no sense gives no lease and never a failure', () => {
    assert.equal(decodeAnswer(answer(255)), undefined);
    assert.equal(decodeAnswer(answer(...ACK).subarray(0, 200)), undefined);
    const unnamed = decodeAnswer(answer(...ACK, ...LEASE_TIME, 255));
    assert.equal(unnamed && leaseOf(unnamed, 0), undefined);
    const odd = decodeAnswer(answer(...ACK, 15, 3, 10, 65, 66, 26, 2, 0, 10, 1, 4, 255, 0, 255, 0, 6, 3, 1, 2, 3, 255));
    assert.deepEqual([odd?.domain, odd?.mtu, odd?.prefix, odd?.dns], [undefined, undefined, undefined, []]);
    fc.assert(
      fc.property(fc.array(fc.nat(255), { maxLength: 80 }), (options) => {
        const read = decodeAnswer(answer(...options));
        if (read !== undefined) leaseOf(read, 0);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => messageIn(bytes) === undefined || bytes.length >= 28),
    );
  });
});
