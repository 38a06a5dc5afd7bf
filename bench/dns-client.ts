// Asks one resolver for one name as fast as it answers, with a window of queries under way; prints rate and latencies as JSON.
// Arguments: address, name, milliseconds, window.
import { createSocket } from 'node:dgram';
import { encode } from 'dns-packet';

const [address = '127.0.0.11', name = 'server', duration = '3000', window = '32'] = process.argv.slice(2);
const query = encode({ type: 'query', id: 0, flags: 0x0100, questions: [{ type: 'A', name }] });
const sentAt = new Float64Array(65_536);
const latencies: number[] = [];
const socket = createSocket('udp4');
let next = 0;
let wrong = 0;
let running = true;

function ask(): void {
  next = (next + 1) & 0xffff;
  const message = Buffer.from(query);
  message.writeUInt16BE(next, 0);
  sentAt[next] = performance.now();
  socket.send(message);
}

socket.on('message', (message) => {
  latencies.push(performance.now() - (sentAt[message.readUInt16BE(0)] ?? 0));
  if (
    address !== 'echo' &&
    (message.readUInt16BE(2) & 0x8000) !== 0 &&
    (message.readUInt16BE(6) !== 1 || (message.readUInt16BE(2) & 0xf) !== 0)
  )
    wrong += 1;
  if (running) ask();
});
socket.connect(Number(process.argv[6] ?? 53), address, () => {
  const start = performance.now();
  for (let count = 0; count < Number(window); count += 1) ask();
  setTimeout(() => {
    running = false;
    const seconds = (performance.now() - start) / 1000;
    latencies.sort((a, b) => a - b);
    const at = (q: number): number => latencies[Math.floor(q * latencies.length)] ?? Number.NaN;
    console.log(JSON.stringify({ rate: latencies.length / seconds, median: at(0.5), p99: at(0.99), wrong }));
    socket.close();
  }, Number(duration));
});
