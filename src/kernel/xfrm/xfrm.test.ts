import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Ip, parseCidr } from '../../base/index.ts';
import { MessageWriter, readMessages } from '../netlink/core/index.ts';
import { decodePolicy, policyIdBytes, policyMessage, type XfrmPolicy } from './policies.ts';
import type { XfrmSelector } from './selector.ts';
import { decodeState, stateIdBytes, stateMessage, type XfrmStateSpec } from './states.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const zeros = (length: number): string => '00'.repeat(length);
const bodyOf = (write: MessageWriter) => {
  const [message] = readMessages(write.finish(1));
  assert.ok(message);
  return message;
};
const flow: XfrmSelector = {
  family: 4,
  source: parseCidr('192.0.2.1/32'),
  destination: parseCidr('192.0.2.2/32'),
  protocol: 17,
  destinationPort: 4790,
};
const ENDLESS = 'ff'.repeat(32) + zeros(32);
/** Destination and source of 16 bytes each, ports with masks, AF_INET, prefixes, UDP; interface and user. */
const FLOW = `c0000202${zeros(12)}c0000201${zeros(12)}12b6ffff00000000${'0200'}2020${'11'}${zeros(3)}${zeros(8)}`;

describe('messages of IPsec', () => {
  it('asks for a security association as the kernel has it', () => {
    const spec: XfrmStateSpec = {
      source: '192.0.2.1' as Ip,
      destination: '192.0.2.2' as Ip,
      spi: 0x01020304,
      reqid: 0x55,
      key: new Uint8Array(36).fill(0xab),
      selector: flow,
      replayWindow: 64,
    };
    const id = `c0000202${zeros(12)}01020304${'32'}${zeros(3)}`;
    const statistics = zeros(32) + zeros(12);
    const rest = `${zeros(4)}55000000${'0200'}${'00'}${'00'}${'80'}${zeros(7)}`;
    const algorithm = `6c001200${Buffer.from('rfc4106(gcm(aes))').toString('hex').padEnd(128, '0')}`;
    const aead = `${algorithm}${'20010000'}${'80000000'}${'ab'.repeat(36)}`.replace('6c00', '7000');
    const replay = `24001700${'02000000'}${zeros(16)}${'40000000'}${zeros(8)}`;
    const body = bodyOf(stateMessage(new MessageWriter(0x10, 5), spec)).body;
    assert.equal(hex(body), [FLOW, id, `c0000201${zeros(12)}`, ENDLESS, statistics, rest, aead, replay].join(''));
    assert.equal(hex(stateIdBytes(spec)), `c0000202${zeros(12)}01020304${'0200'}${'32'}00`);
  });

  it('asks for a policy with one state of a reqid, or for nothing to pass', () => {
    const allow = bodyOf(
      policyMessage(new MessageWriter(0x19, 5), {
        direction: 'out',
        selector: flow,
        priority: 100,
        template: { reqid: 0x55, spi: 0x01020304 },
      }),
    ).body;
    const head = (priority: string, direction: string, action: string): string =>
      `${FLOW}${ENDLESS}${zeros(32)}${priority}${zeros(4)}${direction}${action}${zeros(2)}${zeros(4)}`;
    const template = `44000500${zeros(16)}01020304${'32'}${zeros(3)}${'0200'}${zeros(2)}${zeros(16)}55000000${zeros(4)}`;
    assert.equal(hex(allow), `${head('64000000', '01', '00')}${template}${'ff'.repeat(12)}`);
    const block: XfrmPolicy = { direction: 'in', selector: flow, priority: 7, template: undefined };
    assert.equal(hex(bodyOf(policyMessage(new MessageWriter(0x19, 5), block)).body), head('07000000', '00', '01'));
    assert.equal(hex(policyIdBytes(block)), `${FLOW}${zeros(8)}`);
  });

  it('brings policies and security associations back from their messages', () => {
    const ip = (family: number) => (family === 4 ? ('198.51.100.7' as Ip) : ('2001:db8::7' as Ip));
    fc.assert(
      fc.property(
        fc.constantFrom(4 as const, 6 as const),
        fc.integer({ min: 1, max: 0xffff_ffff }),
        fc.option(fc.integer({ min: 1, max: 0xffff }), { nil: undefined }),
        fc.uint8Array({ minLength: 36, maxLength: 36 }),
        (family, number, port, key) => {
          const selector: XfrmSelector = {
            family,
            source: { ip: ip(family), prefix: 24 },
            destination: undefined,
            protocol: 17,
            sourcePort: undefined,
            destinationPort: port,
          };
          const template = { reqid: number, spi: number, source: ip(family), destination: undefined };
          const policy: XfrmPolicy = { direction: 'in', selector, priority: number, template };
          assert.deepEqual(decodePolicy(bodyOf(policyMessage(new MessageWriter(0x13, 0), policy))), policy);
          const spec = { source: ip(family), destination: ip(family), spi: number, reqid: number, key };
          const state = decodeState(bodyOf(stateMessage(new MessageWriter(0x10, 0), { ...spec, replayWindow: 32 })));
          assert.deepEqual(state, {
            ...spec,
            family,
            protocol: 50,
            transport: true,
            esn: true,
            algorithm: 'rfc4106(gcm(aes))',
            packets: 0n,
          });
        },
      ),
    );
  });
});
