import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import fc from 'fast-check';
import { parseIp } from '../../../base/index.ts';
import { type Answer, addressRecord, buildError, buildResponse, EMPTY, pointerRecord, truncated } from './answer.ts';
import { answersQuestion, encodeName, nameOfKey, parseQuery, type Query, RCODE, TYPE } from './message.ts';

const NO_EDNS_FLAGS = { flags: 0, flag_do: false, extendedRcode: 0, ednsVersion: 0, options: [] };

function packetOf(name: string, type: 'A' | 'AAAA' | 'PTR' | 'TXT' = 'A', udpSize?: number): Buffer {
  const additionals =
    udpSize === undefined ? [] : [{ type: 'OPT' as const, name: '.', udpPayloadSize: udpSize, ...NO_EDNS_FLAGS }];
  return encode({ type: 'query', id: 0x1234, flags: RECURSION_DESIRED, questions: [{ type, name }], additionals });
}

function queryOf(packet: Buffer): Query {
  const query = parseQuery(packet);
  assert.ok(typeof query === 'object', String(query));
  return query;
}

function addresses(count: number): Answer {
  const records = Array.from({ length: count }, (_, host) => addressRecord(parseIp(`10.0.0.${host + 1}`)));
  return { rcode: RCODE.NOERROR, records };
}

describe('reading queries', () => {
  it('reads the question', () => {
    const query = queryOf(packetOf('Web.My-Net.example', 'AAAA'));
    assert.equal(nameOfKey(query.key), 'web.my-net.example');
    assert.deepEqual([query.type, query.class, query.edns, query.udpSize], [TYPE.AAAA, 1, false, 512]);
    assert.equal(query.key, queryOf(packetOf('wEB.MY-NET.EXAMPLE', 'AAAA')).key);
    assert.notEqual(query.key, queryOf(packetOf('web.my-net.example', 'A')).key);
    assert.equal(nameOfKey(queryOf(packetOf('.')).key), '');
  });

  it('reads EDNS within reason', () => {
    assert.deepEqual(
      [100, 1232, 65_000].map((size) => queryOf(packetOf('a', 'A', size)).udpSize),
      [512, 1232, 4096],
    );
    assert.equal(queryOf(packetOf('a', 'A', 1232)).edns, true);
  });

  it('tells a dot inside a label from one between labels', () => {
    const packet = packetOf('axb.c');
    packet[14] = '.'.charCodeAt(0);
    assert.equal(nameOfKey(queryOf(packet).key), 'a\\.b.c');
  });

  it('refuses what is not one plain question', () => {
    const good = packetOf('web');
    const changed = (at: number, value: number): Buffer => {
      const packet = Buffer.from(good);
      packet[at] = value;
      return packet;
    };
    assert.equal(parseQuery(good.subarray(0, 11)), 'ignored');
    assert.equal(parseQuery(changed(2, 0x81)), 'ignored', 'a response');
    assert.equal(parseQuery(changed(2, 0x28)), RCODE.NOTIMP, 'an update');
    assert.equal(parseQuery(changed(5, 0)), RCODE.FORMERR, 'no question');
    assert.equal(parseQuery(changed(5, 2)), RCODE.FORMERR, 'two questions');
    assert.equal(parseQuery(changed(12, 0xc0)), RCODE.FORMERR, 'a pointer');
    assert.equal(parseQuery(changed(12, 60)), RCODE.FORMERR, 'a label beyond the end');
    assert.equal(parseQuery(good.subarray(0, good.length - 1)), RCODE.FORMERR, 'half a type');
    const edns = packetOf('web', 'A', 1232);
    assert.equal(parseQuery(edns.subarray(0, edns.length - 1)), RCODE.FORMERR, 'half an OPT');
  });

  it('never fails, whatever arrives', () => {
    const base = packetOf('web.net', 'A', 1232);
    const damage = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 6 });
    const damaged = fc.tuple(damage, fc.nat(base.length)).map(([changes, length]) => {
      const packet = Buffer.from(base);
      for (const [at, value] of changes) packet[at] = value;
      return packet.subarray(0, length);
    });
    const noise = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(damaged, noise), (packet) => {
        const query = parseQuery(packet);
        if (query === 'ignored') return;
        if (typeof query === 'number') {
          decode(buildError(packet, query));
          return;
        }
        nameOfKey(query.key);
        const response = buildResponse(packet, query, addresses(2), { limit: query.udpSize });
        assert.equal(answersQuestion(response, packet, query.questionEnd), true);
      }),
      { numRuns: 2000, seed: 5 },
    );
  });

  it('reads every name that another implementation writes', () => {
    const label = fc.stringMatching(/^[a-z0-9_-]{1,63}$/);
    const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
    fc.assert(
      fc.property(name, (name) => {
        const packet = packetOf(name);
        assert.equal(nameOfKey(queryOf(packet).key), name);
        const wire = encodeName(name);
        assert.ok(wire && packet.subarray(12).indexOf(wire) === 0);
      }),
      { numRuns: 200, seed: 5 },
    );
    for (const name of ['', 'a..b', 'x'.repeat(64), Array(70).fill('abc').join('.')]) {
      assert.equal(encodeName(name), undefined, name);
    }
  });
});

describe('writing responses', () => {
  it('writes what another implementation reads', () => {
    const packet = packetOf('WEB.net', 'A', 1232);
    const records = [addressRecord(parseIp('10.0.0.2')), addressRecord(parseIp('fd00::2'))];
    const pointer = pointerRecord('web.net.');
    assert.ok(pointer);
    const answer = { rcode: RCODE.NOERROR, records: [...records, pointer] };
    const response = decode(buildResponse(packet, queryOf(packet), answer, { limit: 1232 }));
    assert.equal(response.id, 0x1234);
    assert.equal(response.flags, AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | RECURSION_DESIRED);
    assert.deepEqual(response.questions, [{ name: 'WEB.net', type: 'A', class: 'IN' }]);
    const answers = response.answers?.map((found) => [found.name, found.type, 'data' in found && found.data]);
    assert.deepEqual(answers, [
      ['WEB.net', 'A', '10.0.0.2'],
      ['WEB.net', 'AAAA', 'fd00::2'],
      ['WEB.net', 'PTR', 'web.net'],
    ]);
    assert.equal(response.additionals?.[0]?.type, 'OPT');
  });

  it('says when something did not fit', () => {
    const packet = packetOf('web');
    const query = queryOf(packet);
    const response = buildResponse(packet, query, addresses(60), { limit: query.udpSize });
    const read = decode(response);
    assert.ok(response.length <= 512 && (read.answers?.length ?? 0) > 20);
    assert.equal((read.flags ?? 0) & TRUNCATED_RESPONSE, TRUNCATED_RESPONSE);
    const whole = decode(buildResponse(packet, query, addresses(60), { limit: 65_535 }));
    assert.equal(whole.answers?.length, 60);
    assert.equal((whole.flags ?? 0) & TRUNCATED_RESPONSE, 0);
    const cut = decode(truncated(buildResponse(packet, query, addresses(60), { limit: 65_535 }), query));
    assert.deepEqual([cut.answers?.length, (cut.flags ?? 0) & TRUNCATED_RESPONSE], [0, TRUNCATED_RESPONSE]);
  });

  it('turns the records around', () => {
    const packet = packetOf('web');
    const first = (rotation: number): unknown => {
      const response = buildResponse(packet, queryOf(packet), addresses(3), { limit: 512, rotation });
      return decode(response).answers?.map((answer) => 'data' in answer && answer.data)[0];
    };
    assert.deepEqual([0, 1, 2, 3].map(first), ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.1']);
  });
});

describe('recognising the answer to a question', () => {
  it('takes only the same question and id', () => {
    const asked = packetOf('web.net');
    const query = queryOf(asked);
    const response = (packet: Buffer): Buffer => buildResponse(packet, queryOf(packet), EMPTY, { limit: 512 });
    const check = (candidate: Buffer): boolean | 'empty' => answersQuestion(candidate, asked, query.questionEnd);
    assert.equal(check(response(asked)), true);
    assert.equal(check(response(packetOf('WEB.net'))), true);
    assert.equal(check(response(packetOf('wab.net'))), false);
    assert.equal(check(response(packetOf('web.net', 'AAAA'))), false);
    assert.equal(check(asked), false, 'the question itself');
    const other = response(asked);
    other[0] = 0xff;
    assert.equal(check(other), false, 'another id');
    assert.equal(check(buildError(asked, RCODE.SERVFAIL)), 'empty');
    assert.equal(check(Buffer.alloc(3)), false);
  });
});
