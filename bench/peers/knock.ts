// A client in somebody else's network namespace. Each line of its input asks something and gets one line of output:
// `until ADDRESS PORT` waits for the first connection that is made, `answer ADDRESS PORT` for the first byte of an answer by HTTP (who
// only listens for somebody else gives none); `rate ADDRESS PORT MS WINDOW` connections per second, each made
// and reset; `echo ADDRESS PORT COUNT` median microseconds of one byte there and back over one connection. `failed: …` says that
// it does not work. Echoes are asked for from the core where the server is, the rest from another one.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { CLIENT_CORE, moveTo, SERVER_CORE } from '../cores.ts';

const EVERY_MS = 2;
/** A SYN that was lost would be repeated after a second only. */
const PATIENCE_MS = 100;
/** Then nobody will ever answer. */
const GIVE_UP_MS = 20_000;
const ECHO_PATIENCE_MS = 5000;

const REQUEST = 'GET / HTTP/1.0\r\n\r\n';

/** Whether a connection is made; with `answer`, whether somebody says something to a request, too. */
function attempt(host: string, port: number, answer = false): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    const end = (made: boolean): void => {
      clearTimeout(timer);
      socket.resetAndDestroy();
      resolve(made);
    };
    const timer = setTimeout(() => end(false), PATIENCE_MS);
    socket.on('connect', () => (answer ? socket.write(REQUEST) : end(true)));
    socket.on('data', () => end(true));
    socket.on('error', () => end(false));
    socket.on('end', () => end(false));
  });
}

function untilMade(host: string, port: number, answer: boolean): Promise<string> {
  const begin = performance.now();
  return new Promise((resolve) => {
    const timer = setInterval(async () => {
      const made = await attempt(host, port, answer);
      if (!made && performance.now() - begin < GIVE_UP_MS) return;
      clearInterval(timer);
      const what = answer ? 'answer from' : 'connection to';
      resolve(made ? 'made' : `failed: no ${what} ${host} port ${port} in ${GIVE_UP_MS} ms`);
    }, EVERY_MS);
  });
}

async function rate(host: string, port: number, ms: number, window: number): Promise<number> {
  const start = performance.now();
  let made = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - start < ms) if (await attempt(host, port)) made += 1;
  };
  await Promise.all(Array.from({ length: window }, worker));
  return (made * 1000) / (performance.now() - start);
}

async function echo(host: string, port: number, count: number): Promise<number> {
  const socket: Socket = connect({ host, port, noDelay: true });
  // An engine may take the connection and find nobody behind it.
  socket.setTimeout(ECHO_PATIENCE_MS, () => socket.destroy(new Error('no answer')));
  socket.on('close', () => socket.emit('error', new Error('closed')));
  try {
    await once(socket, 'connect');
    const taken: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const begin = performance.now();
      const answered = once(socket, 'data');
      socket.write('x');
      await answered;
      taken.push((performance.now() - begin) * 1000);
    }
    return taken.sort((a, b) => a - b)[count >> 1] ?? Number.NaN;
  } finally {
    socket.removeAllListeners('close');
    socket.on('error', () => {});
    socket.destroy();
  }
}

for await (const line of createInterface(process.stdin)) {
  const [what, host = '', port, ...rest] = line.split(' ');
  const [first, second] = rest.map(Number);
  try {
    moveTo(what === 'echo' ? SERVER_CORE : CLIENT_CORE);
    if (what === 'until' || what === 'answer') console.log(await untilMade(host, Number(port), what === 'answer'));
    else if (what === 'echo') console.log(await echo(host, Number(port), first ?? 0));
    else console.log(await rate(host, Number(port), first ?? 0, second ?? 0));
  } catch (error) {
    console.log(`failed: ${error instanceof Error ? error.message : error}`);
  }
}
