import assert from 'node:assert/strict';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { type DecodedPacket, decode, encode, TRUNCATED_RESPONSE } from 'dns-packet';
import fc from 'fast-check';
import { parseIp } from '../../../base/index.ts';
import { parseQuery, RCODE, type Transport } from '../wire/index.ts';
import { AnswerCache } from './cache.ts';
import { FrameReader, framed } from './exchange.ts';
import { Forwarder, type Origin } from './forwarder.ts';

const ONE = '127.0.0.1';
const TWO = '127.0.0.2';
const THREE = '127.0.0.3';
/** Only for servers meant to be silent. */
const SHORT_MS = 150;
const LONG_MS = 20_000;

type Reply = (query: DecodedPacket, packet: Buffer) => readonly Buffer[];

const open: (UdpSocket | Server)[] = [];

afterEach(closeAll);

async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((each) => new Promise<void>((resolve) => each.close(() => resolve()))));
}

/** Servers on those addresses, UDP and TCP, all on one port, which is returned. */
async function upstreams(replies: Readonly<Record<string, Reply>>): Promise<number> {
  for (let tries = 0; ; tries += 1) {
    try {
      let port = 0;
      for (const [ip, reply] of Object.entries(replies)) port = await upstream(ip, reply, port);
      return port;
    } catch (error) {
      if (tries > 20) throw error;
      // Somebody else had the port on one of the addresses.
      await closeAll();
    }
  }
}

async function upstream(ip: string, reply: Reply, port: number): Promise<number> {
  const udp = createSocket('udp4');
  udp.on('message', (packet, from) => {
    for (const response of reply(decode(packet), packet)) udp.send(response, from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => udp.once('error', reject).bind(port, ip, resolve));
  open.push(udp);
  const chosen = udp.address().port;
  const tcp = createServer((socket) => {
    const frames = new FrameReader();
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const packet of frames.push(chunk)) {
        for (const response of reply(decode(packet), packet)) socket.write(framed(response));
      }
    });
  });
  await new Promise<void>((resolve, reject) => tcp.once('error', reject).listen(chosen, ip, resolve));
  open.push(tcp);
  return chosen;
}

function responseTo(query: DecodedPacket, address: string, rcode: number = RCODE.NOERROR): Buffer {
  const { id = 0, questions = [] } = query;
  const answers =
    address === '' ? [] : [{ type: 'A' as const, name: questions[0]?.name ?? '', ttl: 60, data: address }];
  return encode({ type: 'response', id, flags: rcode, questions, answers });
}

const says =
  (address: string, rcode?: number): Reply =>
  (query) => [responseTo(query, address, rcode)];

const silent: Reply = () => [];

function origin(...servers: string[]): Origin {
  const upstreams = { servers: servers.map(parseIp), cache: new AnswerCache(), asking: new Map() };
  return { upstreams, inFlight: { count: 0 } };
}

interface Asked {
  readonly transport?: Transport;
  readonly udpSize?: number;
  readonly name?: string;
}

let asked = 0;

/** Another question every time, unless told otherwise. */
function question(options: Asked = {}): Parameters<Forwarder['forward']>[1] {
  const additionals =
    options.udpSize === undefined
      ? []
      : [
          {
            type: 'OPT' as const,
            name: '.',
            udpPayloadSize: options.udpSize,
            flags: 0,
            flag_do: false,
            extendedRcode: 0,
            ednsVersion: 0,
            options: [],
          },
        ];
  asked += 1;
  const questions = [{ type: 'A' as const, name: options.name ?? `N${asked}.Outside.Example` }];
  const packet = encode({ type: 'query', id: 77, questions, additionals });
  const query = parseQuery(packet);
  assert.ok(typeof query === 'object');
  return { packet, query, transport: options.transport ?? 'udp' };
}

function outcome(response: Buffer): string {
  const packet = decode(response);
  assert.equal(packet.id, 77);
  assert.match(packet.questions?.[0]?.name ?? '', /^N\d+\.Outside\.Example$/);
  const rcode = (packet.flags ?? 0) & 0xf;
  const cut = ((packet.flags ?? 0) & TRUNCATED_RESPONSE) === 0 ? '' : ' truncated';
  const data = (packet.answers ?? []).map((answer) => ('data' in answer ? String(answer.data) : '?'));
  return `${rcode}${cut} ${data.slice(0, 3).join(' ')}`.trim();
}

describe('forwarding', () => {
  for (const transport of ['udp', 'tcp'] as const) {
    it(`asks the first server over ${transport} and gives its answer`, async () => {
      const port = await upstreams({ [ONE]: says('192.0.2.1'), [TWO]: says('192.0.2.2') });
      const forwarder = new Forwarder({ port, timeoutMs: LONG_MS });
      assert.equal(outcome(await forwarder.forward(origin(ONE, TWO), question({ transport }))), '0 192.0.2.1');
    });

    it(`goes on after refusal, failure and a closed port over ${transport}`, async () => {
      const port = await upstreams({
        [ONE]: says('', RCODE.REFUSED),
        [TWO]: says('', RCODE.SERVFAIL),
        [THREE]: says('192.0.2.3'),
      });
      const forwarder = new Forwarder({ port, timeoutMs: LONG_MS });
      const servers = origin('127.0.0.9', ONE, TWO, THREE);
      assert.equal(outcome(await forwarder.forward(servers, question({ transport }))), '0 192.0.2.3');
    });
  }

  it('goes on when a server says nothing', async () => {
    const port = await upstreams({ [ONE]: silent, [TWO]: says('192.0.2.2') });
    const forwarder = new Forwarder({ port, timeoutMs: SHORT_MS });
    // The second server is real and only late on a very busy machine: ask again then.
    let result = '';
    for (let round = 0; round < 50 && result !== '0 192.0.2.2'; round += 1) {
      result = outcome(await forwarder.forward(origin(ONE, TWO), question()));
    }
    assert.equal(result, '0 192.0.2.2');
  });

  it('gives NXDOMAIN on as it is, and SERVFAIL when nobody helps', async () => {
    const port = await upstreams({ [ONE]: says('', RCODE.NXDOMAIN) });
    const forwarder = new Forwarder({ port, timeoutMs: LONG_MS });
    assert.equal(outcome(await forwarder.forward(origin(ONE), question())), '3');
    assert.equal(outcome(await forwarder.forward(origin('127.0.0.9'), question())), '2');
    assert.equal(outcome(await forwarder.forward(origin(), question())), '2');
  });

  it('hears only the answer to what it asked', async () => {
    const port = await upstreams({
      [ONE]: (query) => {
        const wrongId = responseTo({ ...query, id: ((query.id ?? 0) + 1) & 0xffff }, '6.6.6.6');
        const wrongName = responseTo({ ...query, questions: [{ type: 'A', name: 'evil.example' }] }, '6.6.6.6');
        return [Buffer.from('junk'), wrongId, wrongName, responseTo(query, '192.0.2.1')];
      },
    });
    const forwarder = new Forwarder({ port, timeoutMs: LONG_MS });
    assert.equal(outcome(await forwarder.forward(origin(ONE), question())), '0 192.0.2.1');
  });

  it('asks under other ids than the client', async () => {
    const ids = new Set<number>();
    const port = await upstreams({
      [ONE]: (query) => {
        ids.add(query.id ?? 0);
        return [responseTo(query, '192.0.2.1')];
      },
    });
    const forwarder = new Forwarder({ port, timeoutMs: LONG_MS });
    for (let round = 0; round < 10; round += 1) await forwarder.forward(origin(ONE), question());
    assert.ok(ids.size > 5, `${ids.size} ids`);
  });

  it('cuts what the client cannot take over UDP', async () => {
    const port = await upstreams({
      [ONE]: ({ id = 0, questions = [] }) => {
        const answers = Array.from({ length: 50 }, () => ({
          type: 'A' as const,
          name: 'x.example',
          data: '192.0.2.1',
        }));
        return [encode({ type: 'response', id, questions, answers })];
      },
    });
    const forwarder = new Forwarder({ port, timeoutMs: LONG_MS });
    const ask = async (options: Asked): Promise<string> =>
      outcome(await forwarder.forward(origin(ONE), question(options)));
    assert.equal(await ask({}), '0 truncated');
    assert.equal(await ask({ udpSize: 4096 }), '0 192.0.2.1 192.0.2.1 192.0.2.1');
    assert.equal(await ask({ transport: 'tcp' }), '0 192.0.2.1 192.0.2.1 192.0.2.1');
  });

  it('asks once for all who ask the same at a time, and each has its own id and spelling back', async () => {
    let asked = 0;
    const full = Promise.withResolvers<void>();
    const port = await upstreams({ [ONE]: silent });
    const udp = open[0] as UdpSocket;
    udp.on('message', (packet, from) => {
      asked += 1;
      void full.promise.then(() => udp.send(responseTo(decode(packet), '192.0.2.1'), from.port, from.address));
    });
    const forwarder = new Forwarder({ port, timeoutMs: LONG_MS });
    const one = origin(ONE);
    const questions = ['x.example', 'X.Example', 'x.EXAMPLE'].map((name) => question({ name }));
    const answers = questions.map((each) => forwarder.forward(one, each));
    assert.ok(answers.every((answer) => answer instanceof Promise));
    full.resolve();
    const names = (await Promise.all(answers)).map((answer) => decode(answer).questions?.[0]?.name);
    assert.deepEqual(names, ['x.example', 'X.Example', 'x.EXAMPLE']);
    assert.equal(asked, 1);
    assert.equal(one.upstreams.asking.size, 0);
    // The next one's answer is there already.
    assert.ok(Buffer.isBuffer(forwarder.forward(one, question({ name: 'x.example' }))));
    assert.equal(asked, 1);
  });

  it('does not remember failures, and asks again', async () => {
    let healthy = false;
    const port = await upstreams({
      [ONE]: (query) => [responseTo(query, healthy ? '192.0.2.1' : '', healthy ? RCODE.NOERROR : RCODE.SERVFAIL)],
    });
    const forwarder = new Forwarder({ port, timeoutMs: LONG_MS });
    const one = origin(ONE);
    assert.equal(outcome(await forwarder.forward(one, question({ name: 'N0.Outside.Example' }))), '2');
    healthy = true;
    assert.equal(outcome(await forwarder.forward(one, question({ name: 'N0.Outside.Example' }))), '0 192.0.2.1');
  });

  it('takes no harm from any answer', async () => {
    const random = fc.sample(fc.uint8Array({ maxLength: 200 }), { seed: 3, numRuns: 200 });
    let next = 0;
    const port = await upstreams({
      [ONE]: (_query, packet) => {
        next += 1;
        const junk = Buffer.from(random[next % random.length] ?? []);
        // As far as it must be to be listened to: the id, the flags, the question.
        const start = Buffer.from(packet.subarray(0, packet.length));
        start.writeUInt16BE(0x8180, 2);
        start.writeUInt16BE(next % 5, 6);
        start.writeUInt16BE(next % 3, 8);
        return [junk, Buffer.concat([start, junk])];
      },
    });
    const forwarder = new Forwarder({ port, timeoutMs: LONG_MS });
    const one = origin(ONE);
    for (let round = 0; round < 100; round += 1) {
      const asked = question();
      const answer = await forwarder.forward(one, asked);
      assert.equal(answer.readUInt16BE(0), 77);
      assert.ok(answer.length <= asked.query.udpSize);
    }
    assert.equal(one.inFlight.count, 0);
  });

  it('refuses more at a time than it can bear, of one sandbox', async () => {
    const waiting: (() => void)[] = [];
    const port = await upstreams({ [ONE]: silent });
    const udp = open[0] as UdpSocket;
    udp.on('message', (packet, from) => {
      waiting.push(() => udp.send(responseTo(decode(packet), '192.0.2.1'), from.port, from.address));
      if (waiting.length === 2) full.resolve();
    });
    const full = Promise.withResolvers<void>();
    const forwarder = new Forwarder({ port, timeoutMs: LONG_MS, perOrigin: 2 });
    const busy = origin(ONE);
    const first = [forwarder.forward(busy, question()), forwarder.forward(busy, question())];
    await full.promise;
    assert.equal(outcome(await forwarder.forward(busy, question())), String(RCODE.REFUSED));
    const other = forwarder.forward(origin(ONE), question());
    for (const answer of waiting) answer();
    assert.deepEqual((await Promise.all(first)).map(outcome), ['0 192.0.2.1', '0 192.0.2.1']);
    while (waiting.length < 3) await new Promise((resolve) => setImmediate(resolve));
    waiting[2]?.();
    assert.equal(outcome(await other), '0 192.0.2.1');
    assert.equal(busy.inFlight.count, 0);
  });
});
