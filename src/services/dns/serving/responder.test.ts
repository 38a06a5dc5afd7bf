import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DecodedPacket, decode, encode, type RecordType } from 'dns-packet';
import { type Id, newId, parseIp } from '../../../base/index.ts';
import type { DnsEndpoint, DnsView } from '../../../model/index.ts';
import { RCODE } from '../wire/index.ts';
import { Responder } from './responder.ts';
import { ipOfReverseName, Zone } from './zone.ts';

const front = newId();
const back = newId();
const NAMES: Readonly<Record<string, string>> = { [front]: 'front', [back]: 'Back.Net' };

function endpoint(networkId: Id, names: readonly string[], ipv4?: string, ipv6?: string): DnsEndpoint {
  return {
    endpointId: newId(),
    networkId,
    networkName: NAMES[networkId] ?? '',
    names,
    ...(ipv4 !== undefined && { ipv4: parseIp(ipv4) }),
    ...(ipv6 !== undefined && { ipv6: parseIp(ipv6) }),
  };
}

function view(changes: Partial<DnsView> = {}): DnsView {
  return {
    sandboxId: newId(),
    sandboxPath: '/run/netns/none',
    networkIds: [front, back],
    links: [],
    dns: { servers: [], search: [], options: [] },
    forward: true,
    ...changes,
  };
}

function zoneOf(...endpoints: DnsEndpoint[]): Zone {
  const zone = new Zone();
  for (const each of endpoints) zone.add(each);
  return zone;
}

/** Answers as sorted data; `forwarded` and error codes as they are. */
function ask(responder: Responder, name: string, type: RecordType = 'A'): string[] | string {
  const response = responder.respond(encode({ type: 'query', id: 1, questions: [{ type, name }] }), 'udp');
  if (!Buffer.isBuffer(response)) return response === undefined ? 'ignored' : 'forwarded';
  const packet: DecodedPacket = decode(response);
  const rcode = (packet.flags ?? 0) & 0xf;
  if (rcode !== 0) return rcode === RCODE.NXDOMAIN ? 'NXDOMAIN' : `error ${rcode}`;
  return (packet.answers ?? []).map((answer) => ('data' in answer ? String(answer.data) : '?')).sort();
}

describe('answering from the zone', () => {
  const web = endpoint(front, ['web', 'www', '0123456789ab'], '172.18.0.2', 'fd00::2');
  const db = endpoint(back, ['db'], '172.19.0.2');

  it('knows every name of an endpoint, in any case', () => {
    const responder = new Responder(zoneOf(web, db), view());
    for (const name of ['web', 'WWW', '0123456789AB', 'Web.Front', 'db', 'db.back.net', 'DB.BACK.NET']) {
      assert.equal(ask(responder, name).length, 1, name);
    }
    assert.deepEqual(ask(responder, 'web'), ['172.18.0.2']);
    assert.deepEqual(ask(responder, 'web', 'AAAA'), ['fd00::2']);
  });

  it('forwards what it does not know, and answers NXDOMAIN when it may not', () => {
    const zone = zoneOf(web, db);
    for (const name of ['web.back.net', 'db.front', 'web.front.example', 'example.org', 'front', '']) {
      assert.equal(ask(new Responder(zone, view()), name), 'forwarded', name);
      assert.equal(ask(new Responder(zone, view({ forward: false })), name), 'NXDOMAIN', name);
    }
  });

  it("asks a sandbox's own servers on internal networks too, but never itself", () => {
    const dns = (server: string): DnsView['dns'] => ({ servers: [parseIp(server)], search: [], options: [] });
    const responder = (server: string): Responder =>
      new Responder(zoneOf(), view({ forward: false, dns: dns(server) }));
    assert.equal(ask(responder('10.0.0.1'), 'example.org'), 'forwarded');
    assert.equal(ask(responder('127.0.0.11'), 'example.org'), 'NXDOMAIN');
  });

  it('answers nothing, and forwards nothing, for a known name without that family or type', () => {
    const responder = new Responder(zoneOf(web, db), view());
    assert.deepEqual(ask(responder, 'db', 'AAAA'), []);
    assert.deepEqual(ask(responder, 'db', 'TXT'), []);
    assert.deepEqual(ask(responder, 'db.back.net', 'MX'), []);
  });

  it('prefers a whole name to a name with its network', () => {
    const dotted = endpoint(back, ['web.front'], '172.19.0.9');
    const responder = new Responder(zoneOf(web, dotted), view());
    assert.deepEqual(ask(responder, 'web.front'), ['172.19.0.9']);
    const deep = endpoint(back, ['a'], '172.19.0.8');
    assert.deepEqual(ask(new Responder(zoneOf(deep), view()), 'a.back.net'), ['172.19.0.8']);
  });

  it('sees only the networks of the view, the first that knows the name', () => {
    const zone = zoneOf(web, db, endpoint(back, ['web'], '172.19.0.7'));
    assert.deepEqual(ask(new Responder(zone, view()), 'web'), ['172.18.0.2']);
    assert.deepEqual(ask(new Responder(zone, view({ networkIds: [back, front] })), 'web'), ['172.19.0.7']);
    assert.deepEqual(ask(new Responder(zone, view()), 'web.back.net'), ['172.19.0.7']);
    assert.equal(ask(new Responder(zone, view({ networkIds: [front] })), 'db'), 'forwarded');
  });

  it('gives all addresses of a shared name, in changing order', () => {
    const shared = [2, 3, 4].map((host) => endpoint(front, [`c${host}`, 'svc'], `172.18.0.${host}`));
    const responder = new Responder(zoneOf(...shared), view());
    assert.deepEqual(ask(responder, 'svc'), ['172.18.0.2', '172.18.0.3', '172.18.0.4']);
    const firsts = new Set<string>();
    for (let round = 0; round < 500 && firsts.size < 3; round += 1) {
      const response = responder.respond(encode({ type: 'query', questions: [{ type: 'A', name: 'svc' }] }), 'udp');
      assert.ok(Buffer.isBuffer(response));
      const first = decode(response).answers?.[0];
      if (first && 'data' in first) firsts.add(String(first.data));
    }
    assert.equal(firsts.size, 3);
  });

  it('follows links before names, for this sandbox only', () => {
    const zone = zoneOf(web, endpoint(front, ['cache'], '172.18.0.5'));
    const links = [{ networkId: front, alias: 'Cache', target: 'web' }];
    const linked = new Responder(zone, view({ links }));
    assert.deepEqual(ask(linked, 'cache'), ['172.18.0.2']);
    assert.deepEqual(ask(linked, 'cache.front'), ['172.18.0.2']);
    assert.deepEqual(ask(new Responder(zone, view()), 'cache'), ['172.18.0.5']);
    const dangling = new Responder(zone, view({ links: [{ networkId: front, alias: 'cache', target: 'gone' }] }));
    assert.deepEqual(ask(dangling, 'cache'), ['172.18.0.5']);
  });

  it('answers reverse questions with the first name', () => {
    const responder = new Responder(zoneOf(web, db), view());
    assert.deepEqual(ask(responder, '2.0.18.172.in-addr.arpa', 'PTR'), ['web.front']);
    assert.deepEqual(ask(responder, '2.0.19.172.IN-ADDR.ARPA', 'PTR'), ['db.Back.Net']);
    const six = `2.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`;
    assert.deepEqual(ask(responder, six, 'PTR'), ['web.front']);
    assert.equal(ask(responder, '9.0.18.172.in-addr.arpa', 'PTR'), 'forwarded');
    assert.deepEqual(ask(responder, '2.0.18.172.in-addr.arpa', 'TXT'), []);
    assert.equal(ipOfReverseName('300.0.18.172.in-addr.arpa'), undefined);
  });

  it('sees every change at once, cached or not', () => {
    const zone = zoneOf(web);
    const responder = new Responder(zone, view({ forward: false }));
    assert.equal(ask(responder, 'db'), 'NXDOMAIN');
    zone.add(db);
    assert.deepEqual(ask(responder, 'db'), ['172.19.0.2']);
    zone.add({ ...db, ipv4: parseIp('172.19.0.3'), names: ['db', 'sql'] });
    assert.deepEqual(ask(responder, 'db'), ['172.19.0.3']);
    assert.deepEqual(ask(responder, 'sql'), ['172.19.0.3']);
    responder.setView(view({ networkIds: [front], forward: false }));
    assert.equal(ask(responder, 'db'), 'NXDOMAIN');
    responder.setView(view({ forward: false }));
    zone.remove(db.endpointId);
    zone.remove(db.endpointId);
    assert.equal(ask(responder, 'db'), 'NXDOMAIN');
    assert.equal(ask(responder, '3.0.19.172.in-addr.arpa', 'PTR'), 'NXDOMAIN');
  });
});
