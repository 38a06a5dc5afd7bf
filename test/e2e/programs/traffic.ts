// Steady traffic, to see whether any of it is lost. `serve PORT` answers each line of a connection with the same line.
// `ask HOST PORT` opens a connection every 10 ms and asks once; `hold HOST PORT` asks every 10 ms on one connection. Both run
// until their input ends, and print what came of it as JSON.
import net from 'node:net';

/** Lines that were answered, asked in vain, and the longest time between two answers in milliseconds. */
export interface TrafficReport {
  readonly answered: number;
  readonly failures: readonly string[];
  readonly longestGapMs: number;
}

const PERIOD_MS = 10;
/** For an answer. Long, as a machine with two cores has many to serve; a packet that is lost comes again after a second. */
const PATIENCE_MS = 10_000;

class Tally {
  answered = 0;
  readonly failures: string[] = [];
  #last = performance.now();
  #longest = 0;

  count(): void {
    this.answered += 1;
    const now = performance.now();
    this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
  }

  report(): TrafficReport {
    return { answered: this.answered, failures: this.failures, longestGapMs: Math.round(this.#longest) };
  }
}

function serve(port: number): void {
  const server = net.createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen(port, '::', () => process.stdout.write('ready\n'));
}

function askOnce(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, noDelay: true }, () => socket.write('x\n'));
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), PATIENCE_MS);
    socket.once('data', () => socket.end());
    socket.once('end', resolve);
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('closed without an answer'));
    });
  });
}

async function ask(host: string, port: number, ended: AbortSignal): Promise<TrafficReport> {
  const tally = new Tally();
  const open: Promise<void>[] = [];
  while (!ended.aborted) {
    open.push(
      askOnce(host, port).then(
        () => tally.count(),
        (error: Error) => void tally.failures.push(error.message),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
  }
  await Promise.all(open);
  return tally.report();
}

async function hold(host: string, port: number, ended: AbortSignal): Promise<TrafficReport> {
  const tally = new Tally();
  const socket = net.connect({ host, port, noDelay: true });
  let sent = 0;
  socket.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 0x0a) tally.count();
  });
  socket.on('error', (error) => tally.failures.push(error.message));
  while (!ended.aborted && !socket.destroyed) {
    sent += 1;
    socket.write('x\n');
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
  }
  for (let waited = 0; tally.answered < sent && waited < PATIENCE_MS; waited += PERIOD_MS) {
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
  }
  if (tally.answered < sent) tally.failures.push(`${sent - tally.answered} of ${sent} lines were not answered`);
  socket.destroy();
  return tally.report();
}

async function main([mode = '', ...args]: readonly string[]): Promise<void> {
  if (mode === 'serve') return serve(Number(args[0]));
  const ended = new AbortController();
  process.stdin.once('end', () => ended.abort()).resume();
  process.stdout.write('ready\n');
  const [host = '', port = ''] = args;
  const report = await (mode === 'hold' ? hold : ask)(host, Number(port), ended.signal);
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2));
