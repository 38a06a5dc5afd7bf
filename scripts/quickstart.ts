// The quickstart after set-up: daemon, image, network, two containers, one conversation by name. Prints what it does.
// Arguments are flags for the daemon.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { busyboxImage } from './busybox-image.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FAIRWAY = join(ROOT, 'bin/fairway');
const FAIRWAYD = join(ROOT, 'bin/fairwayd');
const SOCKET = '/run/fairway/fairway.sock';
const LOG = '/var/log/fairwayd.log';
const NETWORK = 'quickstart-net';
const SERVER = 'quickstart-web';

function say(text: string): void {
  console.log(`\n== ${text}`);
}

/** Runs a command line as the user would type it, and shows it. */
function fairway(...args: string[]): string {
  console.log(`$ fairway ${args.map((arg) => (/[\s'"$;|>]/.test(arg) ? `'${arg}'` : arg)).join(' ')}`);
  const result = spawnSync(FAIRWAY, args, { encoding: 'utf8' });
  process.stdout.write(result.stdout);
  if (result.status !== 0) throw new Error(`fairway ${args[0]} failed (${result.status}): ${result.stderr}`);
  return result.stdout.trim();
}

function quietly(...args: string[]): void {
  spawnSync(FAIRWAY, args, { stdio: 'ignore' });
}

function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ socketPath: SOCKET, path: '/_ping' }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('error', () => resolve(false));
    call.end();
  });
}

async function startDaemon(): Promise<void> {
  if (await answers()) {
    say(`fairwayd is running already (${SOCKET})`);
    return;
  }
  say(`Starting fairwayd (log: ${LOG})`);
  mkdirSync('/var/log', { recursive: true });
  const log = openSync(LOG, 'a');
  const daemon = spawn(FAIRWAYD, process.argv.slice(2), { detached: true, stdio: ['ignore', log, log] });
  daemon.unref();
  for (let tries = 0; tries < 600; tries += 1) {
    if (await answers()) return;
    if (daemon.exitCode !== null) break;
    await sleep(100);
  }
  throw new Error(`fairwayd did not start; the end of ${LOG}:\n${readFileSync(LOG, 'utf8').slice(-2000)}`);
}

async function main(): Promise<void> {
  await startDaemon();

  say('Making a small image from Debian’s static busybox');
  const loaded = spawnSync(FAIRWAY, ['load'], {
    input: await busyboxImage({ name: 'busybox:latest' }),
    encoding: 'utf8',
  });
  if (loaded.status !== 0) throw new Error(`fairway load failed: ${loaded.stderr}`);
  process.stdout.write(loaded.stdout);

  quietly('rm', '-f', SERVER);
  quietly('network', 'rm', NETWORK);

  say('A network of its own; --internal, so nothing leaves this machine');
  fairway('network', 'create', '--internal', NETWORK);

  say('A web server on it');
  fairway(
    'run',
    '-d',
    '--name',
    SERVER,
    '--network',
    NETWORK,
    'busybox',
    'sh',
    '-c',
    'echo Hello from the web server >/var/www/index.html; exec httpd -f -h /var/www',
  );

  say('A second container finds it by name');
  fairway('run', '--rm', '--network', NETWORK, 'busybox', 'ping', '-c', '3', SERVER);
  const page = fairway('run', '--rm', '--network', NETWORK, 'busybox', 'wget', '-q', '-O', '-', `http://${SERVER}/`);
  if (page !== 'Hello from the web server') throw new Error(`an unexpected page: ${page}`);

  say('It works. Go on with');
  console.log(`  export PATH="$PATH:${join(ROOT, 'bin')}"     # the fairway command
  export DOCKER_HOST=unix://${SOCKET}   # or the docker command, unmodified
  fairway ps; fairway network inspect ${NETWORK}
  fairway run --rm -it --network ${NETWORK} busybox sh

To stop:
  fairway rm -f ${SERVER}; fairway network rm ${NETWORK}
  kill $(cat /run/fairway/fairwayd.pid)                # the daemon; containers go on without it
  kill $(cut -d' ' -f1 /run/fairway/containerd/containerd.pid)   # its containerd, when no container runs any more`);
}

try {
  await main();
} catch (error) {
  console.error(`quickstart: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
