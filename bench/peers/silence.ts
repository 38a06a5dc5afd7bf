// Asks a resolver for a name every millisecond until its standard input ends; prints what it saw as JSON.
// Arguments: address, name.
import { createSocket } from 'node:dgram';
import { encode } from 'dns-packet';

const [address = '', name = ''] = process.argv.slice(2);
const LAST_ANSWERS_MS = 2000;
const query = { type: 'query' as const, flags: 0x0100, questions: [{ type: 'A' as const, name }] };
const waiting = new Map<number, number>();
const taken: number[] = [];
let asked = 0;
const socket = createSocket('udp4');
// A closed port would be said here; the question stays unanswered.
socket.on('error', () => {});
socket.on('message', (message) => {
  const id = message.readUInt16BE(0);
  const at = waiting.get(id);
  if (at === undefined || (message.readUInt16BE(2) & 0xf) !== 0) return;
  waiting.delete(id);
  taken.push(performance.now() - at);
});
socket.connect(53, address, () => {
  const timer = setInterval(() => {
    asked += 1;
    const id = asked & 0xffff;
    waiting.set(id, performance.now());
    socket.send(encode({ ...query, id }));
  }, 1);
  console.log('ready');
  process.stdin.resume();
  process.stdin.on('end', () => {
    clearInterval(timer);
    setTimeout(() => {
      taken.sort((a, b) => a - b);
      const p99 = taken[Math.floor(0.99 * taken.length)];
      console.log(JSON.stringify({ asked, lost: waiting.size, longest: taken.at(-1), p99 }));
      socket.close();
    }, LAST_ANSWERS_MS);
  });
});
