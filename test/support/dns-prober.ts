// Asks the embedded resolver of the namespace it runs in for names, one every so often over UDP and TCP, until its standard
// input ends, and each at least once. Prints what it saw as JSON. Arguments: milliseconds between questions, names; `*` in a name
// becomes a number that no question before had.
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';

export interface Probed {
  readonly asked: number;
  /** Questions without an answer, a while after the last one was asked. */
  readonly unanswered: readonly string[];
  /** How often each answer was given to each name as it stands among the arguments; `rcode addresses`. */
  readonly answers: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Milliseconds. */
  readonly longest: number;
}

const RESOLVER = '127.0.0.11';
/** TCP is asked as well, once in so many times: each is a connection. */
const TCP_EVERY = 10;
const LAST_ANSWERS_MS = 10_000;

const [interval = '10', ...names] = process.argv.slice(2);
const waiting = new Map<number, { readonly name: string; readonly at: number; readonly over: string }>();
const answers: Record<string, Record<string, number>> = {};
let asked = 0;
let longest = 0;

function take(message: Packet): void {
  const question = waiting.get(message.id ?? 0);
  if (question === undefined) return;
  waiting.delete(message.id ?? 0);
  longest = Math.max(longest, performance.now() - question.at);
  const data = (message.answers ?? []).map((answer) => ('data' in answer ? String(answer.data) : '?'));
  const said = [(message.flags ?? 0) & 0xf, ...data.sort()].join(' ');
  const counts = answers[question.name] ?? {};
  answers[question.name] = { ...counts, [said]: (counts[said] ?? 0) + 1 };
}

function ask(): void {
  const name = names[asked % names.length] ?? '';
  asked += 1;
  const id = asked & 0xffff;
  const over = asked % TCP_EVERY === 0 ? 'tcp' : 'udp';
  waiting.set(id, { name, at: performance.now(), over });
  const questions = [{ type: 'A' as const, name: name.replace('*', String(asked)) }];
  const query = { type: 'query' as const, id, flags: 0x0100, questions };
  if (over === 'udp') {
    udp.send(encode(query));
    return;
  }
  let received: Buffer = Buffer.alloc(0);
  const tcp = connect(53, RESOLVER, () => tcp.write(streamEncode(query)));
  tcp.on('error', () => {});
  tcp.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 2 || received.length < 2 + received.readUInt16BE()) return;
    take(streamDecode(received));
    tcp.destroy();
  });
}

const udp = createSocket('udp4');
// A closed port would be said here; the question stays unanswered.
udp.on('error', () => {});
udp.on('message', (message) => take(decode(message)));
udp.connect(53, RESOLVER, () => {
  const timer = setInterval(ask, Number(interval));
  process.stdout.write('ready\n');
  process.stdin.resume();
  process.stdin.on('end', () => {
    const deadline = performance.now() + LAST_ANSWERS_MS;
    const finish = (): void => {
      if (asked >= names.length) clearInterval(timer);
      if ((waiting.size > 0 || asked < names.length) && performance.now() < deadline) {
        setTimeout(finish, 20);
        return;
      }
      const unanswered = [...waiting.values()].map(({ name, over }) => `${name} over ${over}`);
      const seen: Probed = { asked, unanswered, answers, longest };
      process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
    };
    finish();
  });
});
