import { unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { basename, join } from 'node:path';
import { descriptorOf, passDescriptors } from '../../../kernel/index.ts';
import { LineReader } from './lines.ts';
import { END, MORE, type Offer, SANDBOXES_PER_OFFER, SOCKET_NAME, socketName } from './protocol.ts';
import type { Sandboxes } from './sandboxes.ts';

/** A resolver that answers no line within this time hangs: it is killed, its sockets are ours too. */
const PATIENCE_MS = 2000;

/** Offers the sockets of sandboxes to a later daemon. `end` is called when its resolver takes over. */
export function offerSockets(sandboxes: Sandboxes, folder: string, end: () => void): Server {
  const path = join(folder, socketName(process.pid));
  const server = createServer((socket) => {
    const lines = new LineReader();
    const rest = [...sandboxes.list()];
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: string) => {
      for (const line of lines.push(chunk)) {
        if (line === MORE) offer(socket, rest.splice(0, SANDBOXES_PER_OFFER));
        else if (line === END) {
          end();
          socket.end('{}\n');
        }
      }
    });
  });
  // Without it the next daemon opens sockets anew: what waits in these is lost, and nothing else.
  server.on('error', () => {});
  server.listen(path);
  server.on('close', () => remove(path));
  return server;
}

function offer(socket: Socket, some: ReturnType<Sandboxes['list']>): void {
  const message: Offer = { sandboxes: some.map(({ sandboxId, namespace }) => ({ sandboxId, namespace })) };
  const descriptors = some.flatMap(({ sockets }) => [sockets.udp, sockets.tcp]);
  try {
    passDescriptors(descriptorOf(socket), `${JSON.stringify(message)}\n`, descriptors);
  } catch {
    // A daemon that was killed while it asked: the one after it asks again.
    socket.destroy();
  }
}

/** Ends an earlier resolver. Resolves when it no longer reads the sockets. */
export async function endPredecessor(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(path, () => socket.write(`${END}\n`));
  const timer = setTimeout(() => {
    kill(path);
    resolve();
  }, PATIENCE_MS);
  socket.on('data', () => resolve());
  socket.on('error', () => resolve());
  socket.on('close', () => resolve());
  await promise;
  clearTimeout(timer);
  socket.destroy();
  remove(path);
}

/** It has the path open and listens on it, so the number is still its own. */
function kill(path: string): void {
  const pid = Number(SOCKET_NAME.exec(basename(path))?.[1]);
  try {
    if (pid > 1) process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself just now.
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody was faster.
  }
}
