// In the namespace of a container: asks its resolver for each name that comes on stdin, again and again, and prints when the
// machine's clock showed what at the first answer that has an address.
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { decode, encode } from 'dns-packet';
import { machineNow } from './orders.ts';

const socket = createSocket('udp4');
let wanted: string | undefined;
let asked = 0;

function ask(name: string): void {
  asked = (asked + 1) & 0xffff;
  socket.send(encode({ type: 'query', id: asked, flags: 0x0100, questions: [{ type: 'A', name }] }));
}

socket.on('message', (message) => {
  const { answers = [], questions = [] } = decode(message);
  const [name] = questions.map((question) => question.name);
  if (name === undefined || name !== wanted) return;
  if (answers.length === 0) {
    setImmediate(ask, name);
    return;
  }
  wanted = undefined;
  console.log(JSON.stringify({ name, at: machineNow() }));
});
socket.connect(53, '127.0.0.11', () => {
  createInterface({ input: process.stdin })
    .on('line', (name) => {
      wanted = name;
      ask(name);
    })
    .on('close', () => process.exit());
});
