// The resolver of a test LAN: answers for `*.lan.test` with its own address and NXDOMAIN for all the rest, so that no
// lookup leaves the test. Run inside the LAN's namespace with the address to listen on. It patches the question by hand: in
// the benchmarks it answers every engine, and its own work must not be what is measured.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const address = process.argv[2] ?? '127.0.0.1';
const HEADER_SIZE = 12;
const TYPE_A = 1;
const NXDOMAIN = 3;
const KNOWN = Buffer.from('\x03lan\x04test\0', 'latin1');
const TTL_SECONDS = 5;
/** The name of the question, type A, class IN. */
const ADDRESS = Buffer.concat([
  Buffer.of(0xc0, HEADER_SIZE, 0, TYPE_A, 0, 1, 0, 0, 0, TTL_SECONDS, 0, 4),
  Buffer.from(address.split('.').map(Number)),
]);
/** Of the root, with roots for names: denials hold for as long as addresses do (RFC 2308, 5). */
const SOA = Buffer.concat([
  Buffer.of(0, 0, 6, 0, 1, 0, 0, 0, TTL_SECONDS, 0, 22, 0, 0),
  Buffer.alloc(16),
  Buffer.of(0, 0, 0, TTL_SECONDS),
]);

/** The response to a question. Undefined: it is none. */
function answer(query: Buffer): Buffer | undefined {
  const nameEnd = endOfName(query);
  if (nameEnd === undefined || nameEnd + 4 > query.length) return undefined;
  const known = isKnown(query.subarray(HEADER_SIZE, nameEnd));
  const found = known && query.readUInt16BE(nameEnd) === TYPE_A;
  const response = Buffer.concat([query.subarray(0, nameEnd + 4), found ? ADDRESS : SOA]);
  response.writeUInt16BE(0x8180 | (known ? 0 : NXDOMAIN), 2);
  response.writeUInt16BE(1, 4);
  response.writeUInt16BE(Number(found), 6);
  response.writeUInt16BE(Number(!found), 8);
  response.writeUInt16BE(0, 10);
  return response;
}

function isKnown(name: Buffer): boolean {
  if (name.length < KNOWN.length) return false;
  const end = name.subarray(name.length - KNOWN.length);
  return end.equals(KNOWN) || end.toString('latin1').toLowerCase() === KNOWN.toString('latin1');
}

function endOfName(query: Buffer): number | undefined {
  let at = HEADER_SIZE;
  for (;;) {
    const length = query[at];
    if (length === undefined) return undefined;
    at += length + 1;
    if (length === 0) return at;
  }
}

const udp = createSocket('udp4');
udp.on('message', (message, peer) => {
  const response = answer(message);
  if (response !== undefined) udp.send(response, peer.port, peer.address);
});
udp.bind(53, address);
createServer((socket) => {
  let pending = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const response = answer(pending.subarray(2, end)) ?? Buffer.alloc(0);
      socket.write(Buffer.concat([Buffer.of(response.length >> 8, response.length & 0xff), response]));
      pending = pending.subarray(end);
    }
  });
}).listen(53, address);
