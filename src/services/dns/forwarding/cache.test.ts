import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Answer, decode, encode, type Packet, type RecordType, TRUNCATED_RESPONSE } from 'dns-packet';
import fc from 'fast-check';
import { parseQuery, type Query, RCODE } from '../wire/index.ts';
import { AnswerCache, type AnswerCacheOptions, cacheKey } from './cache.ts';

interface Asked {
  readonly packet: Buffer;
  readonly query: Query;
}

interface AskedOptions {
  readonly type?: RecordType;
  readonly id?: number;
  readonly flags?: number;
  readonly edns?: { readonly dnssecOk?: boolean; readonly cookie?: boolean };
}

function ask(name: string, { type = 'A', id = 1, flags = 0x0100, edns }: AskedOptions = {}): Asked {
  const opt = {
    type: 'OPT' as const,
    name: '.' as const,
    udpPayloadSize: 1232,
    flags: edns?.dnssecOk === true ? 0x8000 : 0,
    flag_do: edns?.dnssecOk === true,
    extendedRcode: 0,
    ednsVersion: 0 as const,
    options: edns?.cookie === true ? [{ code: 10, data: Buffer.alloc(8) }] : [],
  };
  const additionals = edns === undefined ? [] : [opt];
  const packet = encode({ type: 'query', id, flags, questions: [{ type, name }], additionals } as Packet);
  const query = parseQuery(packet);
  assert.ok(typeof query === 'object');
  return { packet, query };
}

const address = (ttl: number, name = 'x.example'): Answer => ({ type: 'A', name, ttl, data: '192.0.2.1' });

const soa = (ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name: 'example',
  ttl,
  data: { mname: 'ns.example', rname: 'root.example', serial: 1, refresh: 2, retry: 3, expire: 4, minimum },
});

function respond({ packet }: Asked, parts: Partial<Packet> & { readonly rcode?: number }): Buffer {
  const { id = 0, questions = [] } = decode(packet);
  const { rcode = RCODE.NOERROR, flags = 0, ...rest } = parts;
  return encode({ type: 'response', id, questions, flags: flags | 0x0480 | rcode, ...rest });
}

function setUp(options: AnswerCacheOptions = {}) {
  const clock = { now: 1_000_000 };
  const cache = new AnswerCache({ now: () => clock.now, ...options });
  const find = ({ packet, query }: Asked) => {
    const found = cache.find(packet, query);
    return found && decode(found);
  };
  return { clock, cache, find };
}

/** How long a response is kept, in seconds. */
function kept(parts: Parameters<typeof respond>[1], type: RecordType = 'A'): number {
  const asked = ask('x.example', { type });
  const isThereAfter = (seconds: number): boolean => {
    const { clock, cache, find } = setUp();
    cache.store(asked.query, respond(asked, parts));
    clock.now += seconds * 1000;
    return find(asked) !== undefined;
  };
  let low = 0;
  let high = 1 << 20;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isThereAfter(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

describe('what other servers said', () => {
  it('is kept as long as its shortest record says, an hour at most', () => {
    assert.equal(kept({ answers: [address(60)] }), 60);
    assert.equal(kept({ answers: [address(60), address(20)], additionals: [address(30)] }), 20);
    assert.equal(kept({ answers: [address(60)], authorities: [soa(10, 5)] }), 10);
    assert.equal(kept({ answers: [address(0)] }), 0);
    assert.equal(kept({ answers: [address(86_400)] }), 3600);
  });

  it('is kept as a denial as long as the zone says, and not at all if it does not', () => {
    assert.equal(kept({ rcode: RCODE.NXDOMAIN, authorities: [soa(300, 60)] }), 60);
    assert.equal(kept({ rcode: RCODE.NXDOMAIN, authorities: [soa(30, 60)] }), 30);
    assert.equal(kept({ rcode: RCODE.NXDOMAIN }), 0);
    assert.equal(kept({ authorities: [soa(300, 60)] }), 60);
    assert.equal(kept({}), 0);
    const alias: Answer = { type: 'CNAME', name: 'x.example', ttl: 300, data: 'y.example' };
    assert.equal(kept({ answers: [alias] }), 0);
    assert.equal(kept({ answers: [alias], authorities: [soa(300, 50)] }), 50);
    assert.equal(kept({ answers: [alias] }, 'CNAME'), 300);
  });

  it('is not kept when it is a failure, cut off or malformed', () => {
    assert.equal(kept({ rcode: RCODE.SERVFAIL, answers: [address(60)] }), 0);
    assert.equal(kept({ rcode: RCODE.REFUSED, authorities: [soa(60, 60)] }), 0);
    assert.equal(kept({ flags: TRUNCATED_RESPONSE, answers: [address(60)] }), 0);
    const { cache } = setUp();
    const asked = ask('x.example');
    const whole = respond(asked, { answers: [address(60)] });
    for (let length = asked.query.questionEnd; length < whole.length; length += 1) {
      cache.store(asked.query, whole.subarray(0, length));
    }
    assert.equal(cache.size, 0);
  });

  it('is given with what is left of its time, and the id and spelling of who asks', () => {
    const { clock, cache, find } = setUp();
    const first = ask('x.example');
    cache.store(first.query, respond(first, { answers: [address(60), address(90)], additionals: [address(70)] }));
    clock.now += 25_999;
    const second = ask('X.exAMPle', { id: 4711 });
    const found = find(second);
    assert.equal(found?.id, 4711);
    assert.equal(found?.questions?.[0]?.name, 'X.exAMPle');
    assert.equal(found?.flag_aa, false);
    const ttls = [...(found?.answers ?? []), ...(found?.additionals ?? [])].map((one) => 'ttl' in one && one.ttl);
    assert.deepEqual(ttls, [35, 65, 45]);
  });

  it('is for those who ask the same', () => {
    const questions = [
      ask('x.example'),
      ask('y.example'),
      ask('x.example', { type: 'AAAA' }),
      ask('x.example', { flags: 0 }),
      ask('x.example', { flags: 0x0110 }),
      ask('x.example', { edns: {} }),
      ask('x.example', { edns: { dnssecOk: true } }),
    ];
    const keys = questions.map(({ query }) => cacheKey(query));
    assert.equal(new Set(keys).size, questions.length);
    assert.equal(cacheKey(ask('X.EXAMPLE').query), keys[0]);
    // A cookie is between two.
    assert.equal(cacheKey(ask('x.example', { edns: { cookie: true } }).query), undefined);
  });

  it('is never more than allowed, and the longest unused goes first', () => {
    const { cache, find } = setUp({ maxEntries: 3 });
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => ask(`${name}.example`)) as [Asked, Asked, Asked, Asked];
    for (const asked of [a, b, c]) cache.store(asked.query, respond(asked, { answers: [address(60)] }));
    assert.ok(find(a));
    cache.store(d.query, respond(d, { answers: [address(60)] }));
    assert.deepEqual(
      [a, b, c, d].map((asked) => find(asked) !== undefined),
      [true, false, true, true],
    );
    const small = setUp({ maxBytes: 1000 }).cache;
    for (let index = 0; index < 100; index += 1) {
      const asked = ask(`n${index}.example`);
      small.store(asked.query, respond(asked, { answers: [address(60)] }));
      assert.ok(small.bytes <= 1000 && small.size > 0);
    }
  });

  it('never outlives its time and is never more than allowed, whatever is asked and said', () => {
    const step = fc.record({
      name: fc.integer({ min: 0, max: 5 }),
      wait: fc.integer({ min: 0, max: 40_000 }),
      ttl: fc.integer({ min: 0, max: 60 }),
      store: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (steps, maxEntries) => {
        const { clock, cache, find } = setUp({ maxEntries, maxBytes: 1200 });
        const model = new Map<number, { readonly at: number; readonly ttl: number }>();
        for (const { name, wait, ttl, store } of steps) {
          clock.now += wait;
          const asked = ask(`n${name}.example`);
          if (store) {
            cache.store(asked.query, respond(asked, { answers: [address(ttl)] }));
            model.set(name, { at: clock.now, ttl });
          } else {
            const answer = find(asked)?.answers?.[0];
            const said = model.get(name);
            if (answer === undefined) continue;
            assert.ok(said && 'ttl' in answer);
            assert.equal(answer.ttl, said.ttl - Math.floor((clock.now - said.at) / 1000));
            assert.ok((answer.ttl ?? 0) > 0);
          }
          assert.ok(cache.size <= maxEntries && cache.bytes <= 1200);
        }
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('is of no harm when it is nonsense', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: 0xffff }), (tail, counts) => {
        const { cache } = setUp();
        const asked = ask('x.example');
        const response = Buffer.concat([asked.packet, tail]);
        response.writeUInt16BE(0x8180, 2);
        response.writeUInt16BE(counts & 7, 6);
        response.writeUInt16BE((counts >> 3) & 7, 8);
        response.writeUInt16BE((counts >> 6) & 7, 10);
        cache.store(asked.query, response);
        assert.doesNotThrow(() => cache.find(asked.packet, asked.query));
      }),
      { seed: 11, numRuns: 2000 },
    );
  });
});
