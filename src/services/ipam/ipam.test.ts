import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Cidr,
  cidrContains,
  cidrsOverlap,
  cidrText,
  type Id,
  type Ip,
  type IpFamily,
  isKind,
  newId,
  parseCidr,
  parseIp,
} from '../../base/index.ts';
import type { NetworkPool, PoolOptions, PoolRequest } from '../../model/index.ts';
import { checkPoolRequests, PoolIpam, type PoolIpamOptions, ulaBaseOf } from './index.ts';

const OVERLAP = 'invalid pool request: Pool overlaps with other one on this address space';

interface Wish {
  readonly subnet?: string;
  readonly ipRange?: string;
  readonly gateway?: string;
  readonly auxiliary?: Record<string, string>;
}

function request({ subnet, ipRange, gateway, auxiliary }: Wish): PoolRequest {
  return {
    ...(subnet !== undefined && { subnet: parseCidr(subnet) }),
    ...(ipRange !== undefined && { ipRange: parseCidr(ipRange) }),
    ...(gateway !== undefined && { gateway: parseIp(gateway) }),
    ...(auxiliary && {
      auxiliary: Object.fromEntries(Object.entries(auxiliary).map(([name, ip]) => [name, parseIp(ip)])),
    }),
  };
}

function options(changes: Partial<PoolOptions> = {}): PoolOptions {
  return { family: 4, wantsGateway: true, allowHostOverlap: false, busy: [], ...changes };
}

function ipam(changes: PoolIpamOptions = {}): PoolIpam {
  return new PoolIpam({ engineId: 'engine' }, changes);
}

const subnetOf = (pool: NetworkPool): string => cidrText(pool.subnet);

function addressText(sut: PoolIpam, id: Id, family: IpFamily = 4, wanted?: string): string {
  return cidrText(sut.requestAddress(id, family, wanted === undefined ? undefined : parseIp(wanted)));
}

describe('choosing subnets', () => {
  it("gives Docker's default subnets, lowest first, until all are used", () => {
    const sut = ipam();
    const subnets = Array.from({ length: 31 }, () => subnetOf(sut.requestPool(newId(), {}, options())));
    assert.deepEqual(subnets.slice(0, 5), [
      '172.17.0.0/16',
      '172.18.0.0/16',
      '172.19.0.0/16',
      '172.20.0.0/16',
      '172.21.0.0/16',
    ]);
    assert.deepEqual(subnets.slice(14, 17), ['172.31.0.0/16', '192.168.0.0/20', '192.168.16.0/20']);
    assert.equal(subnets.at(-1), '192.168.240.0/20');
    assert.throws(() => sut.requestPool(newId(), {}, options()), {
      kind: 'invalid',
      message: 'all predefined address pools have been fully subnetted',
    });
  });

  it('uses a released subnet again', () => {
    const sut = ipam();
    const first = newId();
    sut.requestPool(first, {}, options());
    sut.requestPool(newId(), {}, options());
    sut.releasePools(first);
    sut.releasePools(first);
    assert.equal(subnetOf(sut.requestPool(newId(), {}, options())), '172.17.0.0/16');
  });

  it('stays clear of what the host is on, but not of its default route', () => {
    const busy = ['0.0.0.0/0', '172.17.3.0/24', '172.18.0.53/32', '172.16.0.0/12', '192.168.17.0/24', 'fd00::/8'];
    const pool = ipam().requestPool(newId(), {}, options({ busy: busy.map(parseCidr) }));
    assert.equal(subnetOf(pool), '192.168.0.0/20');
    const two = options({ busy: ['172.17.3.0/24', '172.18.0.53/32'].map(parseCidr) });
    assert.equal(subnetOf(ipam().requestPool(newId(), {}, two)), '172.19.0.0/16');
  });

  it('derives IPv6 subnets from the engine', () => {
    const base = ulaBaseOf('engine');
    const sut = ipam();
    const first = sut.requestPool(newId(), {}, options({ family: 6 }));
    const second = sut.requestPool(newId(), {}, options({ family: 6 }));
    assert.equal(cidrText(first.subnet), `${base.ip}/64`);
    assert.equal(first.gateway, `${base.ip}1`);
    assert.equal(second.subnet.ip, base.ip.replace(/::$/, ':1::'));
    assert.ok(cidrContains(base, second.subnet.ip) && base.ip.startsWith('fd'));
    assert.notEqual(ulaBaseOf('other').ip, base.ip);
    const chosen = ipam({ ulaBase: parseCidr('fd12:3456:789a::/48') });
    assert.equal(subnetOf(chosen.requestPool(newId(), {}, options({ family: 6 }))), 'fd12:3456:789a::/64');
  });

  it('takes configured pools in their order and refuses impossible ones', () => {
    const localPools = [
      { base: parseCidr('10.9.1.7/24'), size: 25 },
      { base: parseCidr('10.8.0.0/24'), size: 24 },
      { base: parseCidr('fd00:1::/56'), size: 64 },
    ];
    const sut = ipam({ localPools });
    const subnets = [1, 2, 3].map(() => subnetOf(sut.requestPool(newId(), {}, options())));
    assert.deepEqual(subnets, ['10.9.1.0/25', '10.9.1.128/25', '10.8.0.0/24']);
    assert.equal(subnetOf(sut.requestPool(newId(), {}, options({ family: 6 }))), 'fd00:1::/64');
    for (const size of [23, 33, 24.5]) {
      assert.throws(() => ipam({ localPools: [{ base: parseCidr('10.8.0.0/24'), size }] }), {
        code: 'invalid_address_pool',
      });
    }
  });

  it('finds a subnet of a wanted size', () => {
    const sut = ipam();
    const ask = (subnet: string): string => subnetOf(sut.requestPool(newId(), request({ subnet }), options()));
    assert.equal(ask('0.0.0.0/25'), '172.17.0.0/25');
    assert.equal(ask('0.0.0.0/25'), '172.17.0.128/25');
    assert.equal(ask('0.0.0.0/24'), '172.17.1.0/24');
    assert.equal(ask('0.0.0.0/15'), '172.20.0.0/15');
    assert.throws(() => ask('0.0.0.0/8'), { code: 'ipam_pools_exhausted' });
    const six = sut.requestPool(newId(), request({ subnet: '::/80' }), options({ family: 6 }));
    assert.equal(six.subnet.prefix, 80);
  });

  it('refuses a given subnet that overlaps another network, and changes nothing', () => {
    const sut = ipam();
    sut.requestPool(newId(), request({ subnet: '10.1.0.0/16' }), options());
    for (const subnet of ['10.1.0.0/16', '10.1.2.0/24', '10.0.0.0/8']) {
      assert.throws(() => sut.requestPool(newId(), request({ subnet }), options({ allowHostOverlap: true })), {
        kind: 'forbidden',
        message: OVERLAP,
      });
    }
    assert.equal(subnetOf(sut.requestPool(newId(), request({ subnet: '10.2.0.0/16' }), options())), '10.2.0.0/16');
  });

  it('refuses a given subnet the host is on, unless the driver shares it', () => {
    const busy = [parseCidr('10.1.0.0/24')];
    const wish = request({ subnet: '10.1.0.0/16' });
    assert.throws(() => ipam().requestPool(newId(), wish, options({ busy })), { message: OVERLAP });
    assert.equal(subnetOf(ipam().requestPool(newId(), wish, options({ busy, allowHostOverlap: true }))), '10.1.0.0/16');
  });

  it('never gives overlapping subnets, whatever is taken, released and busy', () => {
    const prefix = fc.integer({ min: 12, max: 28 });
    const busy = fc.array(
      fc
        .tuple(fc.integer({ min: 16, max: 31 }), fc.nat(255), prefix)
        .map(([b, c, p]) => parseCidr(`172.${b}.${c}.1/${p}`)),
      { maxLength: 6 },
    );
    const step = fc.record({ size: fc.option(prefix), release: fc.option(fc.nat(20)) });
    fc.assert(
      fc.property(busy, fc.array(step, { maxLength: 25 }), (busy, steps) => {
        const sut = ipam();
        const given = new Map<Id, Cidr>();
        for (const { size, release } of steps) {
          const id = newId();
          const wish = size === null ? {} : request({ subnet: `0.0.0.0/${size}` });
          try {
            const { subnet } = sut.requestPool(id, wish, options({ busy }));
            assert.equal(
              [...given.values(), ...busy].some((other) => cidrsOverlap(other, subnet)),
              false,
            );
            given.set(id, subnet);
          } catch (error) {
            assert.ok(isKind(error, 'invalid') && error.code === 'ipam_pools_exhausted', String(error));
          }
          const gone = [...given.keys()][release ?? -1];
          if (gone === undefined) continue;
          sut.releasePools(gone);
          given.delete(gone);
        }
      }),
      { numRuns: 100, seed: 11 },
    );
  });
});

describe('what a user asks of a pool', () => {
  const complaints = (...wishes: Wish[]): string => {
    try {
      checkPoolRequests(wishes.map(request));
      return '';
    } catch (error) {
      assert.ok(isKind(error, 'invalid'));
      return error.message;
    }
  };

  it('passes what fits', () => {
    const full = {
      subnet: '10.0.0.0/16',
      ipRange: '10.0.5.0/24',
      gateway: '10.0.5.254',
      auxiliary: { a: '10.0.1.1', b: '10.0.1.1' },
    };
    assert.equal(complaints({}, full, { subnet: 'fd00::/64', gateway: 'fd00::1' }, { subnet: '0.0.0.0/25' }), '');
  });

  it("complains in Docker's words, about everything at once", () => {
    const text = complaints(
      {
        subnet: '10.0.0.1/24',
        ipRange: '10.0.0.0/16',
        gateway: '10.0.1.1',
        auxiliary: { web: '10.9.9.9', six: 'fd00::1' },
      },
      { subnet: '10.1.0.0/24', ipRange: '10.2.0.1/25', gateway: 'fd00::1' },
      { subnet: 'fd00::/64', ipRange: '10.0.0.0/24' },
      { gateway: '10.0.0.1' },
    );
    assert.deepEqual(text.split('\n'), [
      'invalid network config:',
      'invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24',
      'invalid ip-range 10.0.0.0/16: CIDR block is bigger than its parent subnet 10.0.0.1/24',
      "invalid gateway 10.0.1.1: parent subnet 10.0.0.1/24 doesn't contain this address",
      "invalid auxiliary address web: parent subnet 10.0.0.1/24 doesn't contain this address",
      'invalid auxiliary address six: parent subnet is an IPv4 block',
      'invalid ip-range 10.2.0.1/25: it should be 10.2.0.0/25',
      "invalid ip-range 10.2.0.1/25: parent subnet 10.1.0.0/24 doesn't contain ip-range",
      'invalid gateway fd00::1: parent subnet is an IPv4 block',
      'invalid ip-range 10.0.0.0/24: parent subnet is an IPv6 block',
      'invalid subnet : invalid CIDR block notation',
    ]);
  });

  it('is checked before anything is taken', () => {
    const sut = ipam();
    const wrong = request({ subnet: '10.0.0.0/24', gateway: '10.0.1.1' });
    assert.throws(() => sut.requestPool(newId(), wrong, options()), { code: 'invalid_network_config' });
    const six = request({ subnet: 'fd00::/64' });
    assert.throws(() => sut.requestPool(newId(), six, options()), { code: 'invalid_network_config' });
    const broadcast = request({ subnet: '10.0.0.0/24', gateway: '10.0.0.255' });
    assert.throws(() => sut.requestPool(newId(), broadcast, options()), { message: 'Address already in use' });
    assert.equal(subnetOf(sut.requestPool(newId(), request({ subnet: '10.0.0.0/24' }), options())), '10.0.0.0/24');
  });
});

describe('giving addresses', () => {
  it('takes the first for the gateway and gives the lowest free one after it', () => {
    const sut = ipam();
    const id = newId();
    assert.equal(sut.requestPool(id, {}, options()).gateway, '172.17.0.1');
    assert.equal(addressText(sut, id), '172.17.0.2/16');
    assert.equal(addressText(sut, id), '172.17.0.3/16');
    sut.releaseAddress(id, parseIp('172.17.0.2'));
    sut.releaseAddress(id, parseIp('172.17.0.2'));
    assert.equal(addressText(sut, id), '172.17.0.2/16');
    assert.equal(addressText(sut, id), '172.17.0.4/16');
  });

  it('keeps reserved addresses reserved', () => {
    const sut = ipam();
    const id = newId();
    const wish = request({ subnet: '10.0.0.0/29', auxiliary: { a: '10.0.0.1', b: '10.0.0.3', gw: '10.0.0.1' } });
    assert.equal(sut.requestPool(id, wish, options()).gateway, '10.0.0.2');
    for (const ip of ['10.0.0.0', '10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.7']) {
      sut.releaseAddress(id, parseIp(ip));
      assert.throws(() => addressText(sut, id, 4, ip), { kind: 'forbidden', message: 'Address already in use' });
    }
    assert.deepEqual(
      [1, 2, 3].map(() => addressText(sut, id)),
      ['10.0.0.4/29', '10.0.0.5/29', '10.0.0.6/29'],
    );
    assert.throws(() => addressText(sut, id), {
      kind: 'unavailable',
      message: 'no available addresses on this pool',
    });
  });

  it('uses both addresses of a /31 and the one of a /32', () => {
    const sut = ipam();
    const [two, one, six] = [newId(), newId(), newId()];
    sut.requestPool(two, request({ subnet: '10.0.0.0/31' }), options({ wantsGateway: false }));
    assert.deepEqual([addressText(sut, two), addressText(sut, two)], ['10.0.0.0/31', '10.0.0.1/31']);
    sut.requestPool(one, request({ subnet: '10.0.1.1/32' }), options({ wantsGateway: false }));
    assert.equal(addressText(sut, one), '10.0.1.1/32');
    sut.requestPool(six, request({ subnet: 'fd00::/127' }), options({ family: 6, wantsGateway: false }));
    assert.equal(addressText(sut, six, 6), 'fd00::/127');
  });

  it('limits dynamic addresses to the range, wanted ones to the subnet', () => {
    const sut = ipam();
    const id = newId();
    const wish = { subnet: '10.0.0.0/16', ipRange: '10.0.5.0/30', gateway: '10.0.5.1' };
    sut.requestPool(id, request(wish), options());
    assert.deepEqual(
      [1, 2, 3].map(() => addressText(sut, id)),
      ['10.0.5.0/16', '10.0.5.2/16', '10.0.5.3/16'],
    );
    assert.throws(() => addressText(sut, id), { code: 'ipam_no_address' });
    assert.equal(addressText(sut, id, 4, '10.0.200.9'), '10.0.200.9/16');
    assert.throws(() => addressText(sut, id, 4, '10.0.200.9'), { code: 'ipam_address_in_use' });
    assert.throws(() => addressText(sut, id, 4, '10.1.0.9'), {
      kind: 'invalid',
      message: 'no configured subnet contains IP address 10.1.0.9',
    });
  });

  it('counts upwards in huge IPv6 subnets, around what is taken', () => {
    const sut = ipam();
    const id = newId();
    sut.requestPool(id, request({ subnet: '2001:db8::/32' }), options({ family: 6 }));
    assert.equal(addressText(sut, id, 6, '2001:db8::3'), '2001:db8::3/32');
    assert.equal(addressText(sut, id, 6), '2001:db8::2/32');
    assert.equal(addressText(sut, id, 6), '2001:db8::4/32');
    assert.equal(
      addressText(sut, id, 6, '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'),
      '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/32',
    );
  });

  it('goes on to the next pool of a network when one is full', () => {
    const sut = ipam();
    const id = newId();
    const without = options({ wantsGateway: false });
    sut.requestPool(id, request({ subnet: '10.0.0.0/30', gateway: '10.0.0.1' }), without);
    sut.requestPool(id, request({ subnet: '10.0.9.0/30' }), without);
    assert.deepEqual(
      [1, 2, 3].map(() => addressText(sut, id)),
      ['10.0.0.2/30', '10.0.9.1/30', '10.0.9.2/30'],
    );
    assert.throws(() => addressText(sut, id), { code: 'ipam_no_address' });
    sut.releaseAddress(id, parseIp('10.0.9.1'));
    assert.equal(addressText(sut, id, 4, '10.0.9.1'), '10.0.9.1/30');
    assert.throws(() => addressText(sut, id, 6), { code: 'ipam_no_pool' });
  });

  it('comes back after a restart as it was', () => {
    const before = ipam();
    const id = newId();
    const wish = request({ subnet: '10.0.0.0/24', auxiliary: { x: '10.0.0.2' } });
    const pool = before.requestPool(id, wish, options());
    const held = before.requestAddress(id, 4);
    const sut = ipam();
    sut.reservePool(id, JSON.parse(JSON.stringify(pool)), false);
    assert.equal(sut.requestAddress(id, 4, held.ip).ip, held.ip);
    assert.equal(addressText(sut, id), '10.0.0.4/24');
    assert.throws(() => sut.reservePool(newId(), pool, false), { message: OVERLAP });
    sut.reservePool(newId(), pool, true);
  });

  it('always gives the lowest free address', () => {
    const step = fc.oneof(
      fc.constant('any' as const),
      fc.record({ take: fc.nat(15) }),
      fc.record({ release: fc.nat(15) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const sut = ipam();
        const id = newId();
        sut.requestPool(id, request({ subnet: '10.0.0.0/28' }), options());
        const taken = new Set([0, 1, 15]);
        const ip = (host: number): Ip => parseIp(`10.0.0.${host}`);
        for (const step of steps) {
          if (step === 'any') {
            const lowest = Array.from({ length: 16 }, (_, host) => host).find((host) => !taken.has(host));
            if (lowest === undefined) assert.throws(() => sut.requestAddress(id, 4), { code: 'ipam_no_address' });
            else assert.equal(sut.requestAddress(id, 4).ip, ip(lowest));
            if (lowest !== undefined) taken.add(lowest);
          } else if ('take' in step) {
            if (taken.has(step.take)) assert.throws(() => sut.requestAddress(id, 4, ip(step.take)));
            else assert.equal(sut.requestAddress(id, 4, ip(step.take)).ip, ip(step.take));
            taken.add(step.take);
          } else {
            sut.releaseAddress(id, ip(step.release));
            if (![0, 1, 15].includes(step.release)) taken.delete(step.release);
          }
        }
      }),
      { numRuns: 200, seed: 13 },
    );
  });
});
