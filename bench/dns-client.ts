// Asks one resolver for one name as fast as it answers, with a window of queries under way; prints rate and latencies as JSON.
// Arguments: address, name, milliseconds, window, port, type. `*` in the name becomes a number, another one for each query. Many
// queries go out with one system call: the client's own work must not be what is measured.
import { createSocket } from 'node:dgram';
import { encode, type RecordType } from 'dns-packet';
import { parseIp } from '../src/base/index.ts';
import { ConnectedBatch, type NumberedDatagram, openConnectedUdpSocketIn } from '../src/kernel/index.ts';

const [address = '127.0.0.11', name = 'server', duration = '3000', window = '32', port = '53', type = 'A'] =
  process.argv.slice(2);
const DIGITS = 7;
const template = encode({
  type: 'query',
  id: 0,
  flags: 0x0100,
  questions: [{ type: type as RecordType, name: name.replace('*', '0'.repeat(DIGITS)) }],
});
const digitsAt = name.includes('*') ? 13 + name.indexOf('*') : undefined;
/** Windows up to this are told apart by their ids. */
const sentAt = new Float64Array(65_536);
const latencies: number[] = [];
const codes = new Map<number, number>();
const batch = new ConnectedBatch();
const fd = openConnectedUdpSocketIn(undefined, parseIp(address), Number(port));
const socket = createSocket('udp4');
let asked = 0;
let running = true;

function ask(count: number): void {
  const queries: NumberedDatagram[] = [];
  const now = performance.now();
  for (let index = 0; index < count; index += 1) {
    asked += 1;
    sentAt[asked & 0xffff] = now;
    queries.push({ data: another(), number: asked & 0xffff });
  }
  batch.send(fd, queries);
}

function another(): Buffer {
  if (digitsAt === undefined) return template;
  const message = Buffer.from(template);
  message.write(String(asked).padStart(DIGITS, '0'), digitsAt, 'latin1');
  return message;
}

function take(message: Buffer, now: number): void {
  latencies.push(now - (sentAt[message.readUInt16BE(0)] ?? 0));
  const code = message.readUInt16BE(2) & 0xf;
  codes.set(code, (codes.get(code) ?? 0) + 1);
}

socket.on('message', (message) => {
  const now = performance.now();
  take(message, now);
  const more = batch.receive(fd);
  const count = typeof more === 'number' ? more : 0;
  for (let index = 0; index < count; index += 1) take(batch.data(index), now);
  if (running) ask(1 + count);
});
// A closed port: the question stays unanswered.
socket.on('error', () => {});
socket.bind({ fd });
const start = performance.now();
ask(Number(window));
setTimeout(() => {
  running = false;
  const seconds = (performance.now() - start) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => latencies[Math.floor(q * latencies.length)] ?? Number.NaN;
  const rate = latencies.length / seconds;
  console.log(JSON.stringify({ rate, median: at(0.5), p99: at(0.99), answered: latencies.length, codes: [...codes] }));
  socket.close();
}, Number(duration));
