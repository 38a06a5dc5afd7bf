// Asks one resolver for one name as fast as it answers, with a window of queries under way; prints rate and latencies as JSON.
// Arguments: address, name, milliseconds, window, port, type. `*` in the name becomes a number, another one for each query.
import { createSocket } from 'node:dgram';
import { encode, type RecordType } from 'dns-packet';

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
const socket = createSocket('udp4');
let asked = 0;
let running = true;

function ask(): void {
  asked += 1;
  const message = Buffer.from(template);
  message.writeUInt16BE(asked & 0xffff, 0);
  if (digitsAt !== undefined) message.write(String(asked).padStart(DIGITS, '0'), digitsAt, 'latin1');
  sentAt[asked & 0xffff] = performance.now();
  socket.send(message);
}

socket.on('message', (message) => {
  latencies.push(performance.now() - (sentAt[message.readUInt16BE(0)] ?? 0));
  const code = message.readUInt16BE(2) & 0xf;
  codes.set(code, (codes.get(code) ?? 0) + 1);
  if (running) ask();
});
socket.connect(Number(port), address, () => {
  const start = performance.now();
  for (let count = 0; count < Number(window); count += 1) ask();
  setTimeout(() => {
    running = false;
    const seconds = (performance.now() - start) / 1000;
    latencies.sort((a, b) => a - b);
    const at = (q: number): number => latencies[Math.floor(q * latencies.length)] ?? Number.NaN;
    const rate = latencies.length / seconds;
    console.log(
      JSON.stringify({ rate, median: at(0.5), p99: at(0.99), answered: latencies.length, codes: [...codes] }),
    );
    socket.close();
  }, Number(duration));
});
