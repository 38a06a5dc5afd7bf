// Runs the measuring in a session of its own: an interruption at the terminal reaches this process alone, which asks the other one
// to take everything down, and waits. Should this one be killed, the other notices; should npm be, this one does.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const LOOK_EVERY_MS = 500;

const child = fork(fileURLToPath(new URL('run.ts', import.meta.url)), process.argv.slice(2), { detached: true });
const end = (): void => {
  if (child.connected) child.disconnect();
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) end();
}, LOOK_EVERY_MS).unref();
child.on('exit', (code) => process.exit(code ?? 1));
