// Connects again and again, for the engines' hosts to answer; runs on the LAN. Each line of its input asks something and gets one
// line of output: `until ADDRESS PORT` the first connection that is made; `rate ADDRESS PORT MS WINDOW` the connections
// per second, each made and reset.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const EVERY_MS = 2;
/** A SYN that was lost would be repeated after a second only. */
const PATIENCE_MS = 100;

function attempt(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    const end = (made: boolean): void => {
      clearTimeout(timer);
      socket.resetAndDestroy();
      resolve(made);
    };
    const timer = setTimeout(() => end(false), PATIENCE_MS);
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
  });
}

function untilMade(host: string, port: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(async () => {
      if (!(await attempt(host, port))) return;
      clearInterval(timer);
      resolve();
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

for await (const line of createInterface(process.stdin)) {
  const [what, host = '', port, ms, window] = line.split(' ');
  if (what === 'until') console.log((await untilMade(host, Number(port))) ?? 'made');
  else console.log(await rate(host, Number(port), Number(ms), Number(window)));
}
