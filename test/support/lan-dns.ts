// The resolver of a test LAN: answers for `*.lan.test` with its own address and NXDOMAIN for all the rest, so that no
// lookup leaves the test. Run inside the LAN's namespace with the address to listen on.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';

const address = process.argv[2] ?? '127.0.0.1';

function answer(query: Packet): Packet {
  const question = query.questions?.[0];
  const known = question?.name.toLowerCase().endsWith('lan.test') ?? false;
  return {
    type: 'response',
    id: query.id ?? 0,
    flags: 0x0180 | (known ? 0 : 3),
    questions: query.questions ?? [],
    answers: known && question?.type === 'A' ? [{ type: 'A', name: question.name, ttl: 5, data: address }] : [],
  };
}

const udp = createSocket('udp4');
udp.on('message', (message, peer) => udp.send(encode(answer(decode(message))), peer.port, peer.address));
udp.bind(53, address);
createServer((socket) => {
  let pending = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const length = 2 + pending.readUInt16BE(0);
      socket.write(streamEncode(answer(streamDecode(pending.subarray(0, length)))));
      pending = pending.subarray(length);
    }
  });
}).listen(53, address);
