import type { Writable } from 'node:stream';
import { Client } from '../client/index.ts';
import { runProgram } from './program.ts';

/** Runs the command line of this process and ends it with the command's exit code. */
export async function runProcess(): Promise<never> {
  const { stdin, stdout, stderr, env, argv } = process;
  // A reader that went away (`fairway ps | head -1`) is no failure worth a stack trace.
  for (const stream of [stdout, stderr]) stream.on('error', () => process.exit(1));
  const code = await runProgram(argv.slice(2), {
    makeClient: (host) => new Client(host, { apiVersion: env.DOCKER_API_VERSION || undefined }),
    stdin,
    stdout,
    stderr,
    env,
    now: Date.now,
  });
  await Promise.all([written(stdout), written(stderr)]);
  process.exit(code);
}

function written(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
