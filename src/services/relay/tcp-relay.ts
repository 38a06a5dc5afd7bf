import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { RunningRelay, Source, Target } from './endpoints.ts';

/** Listens at `source` and joins every connection to a new one to `target`. */
export async function openTcpRelay(source: Source, target: Target): Promise<RunningRelay> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  // The client is not read before the target answered: nothing is taken that could not be delivered.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    const backend = connect({ host: target.ip, port: target.port, allowHalfOpen: true });
    keep(client);
    keep(backend);
    join(client, backend);
  });
  server.listen('fd' in source ? { fd: source.fd } : { ...source, ipv6Only: true });
  await once(server, 'listening');
  // Accepting can fail for want of descriptors; that costs a connection, not the relay.
  server.on('error', () => {});
  return { close: () => close(server, sockets) };
}

/** Copies both ways until both have ended; the end of one direction leaves the other open. */
function join(client: Socket, backend: Socket): void {
  client.setNoDelay(true);
  backend.setNoDelay(true);
  backend.once('connect', () => {
    client.pipe(backend);
    backend.pipe(client);
  });
  dropWith(client, backend);
  dropWith(backend, client);
}

/** An error or an early close of `one` ends `other`, as a reset where there is a connection to reset. */
function dropWith(one: Socket, other: Socket): void {
  one.on('error', () => {
    if (other.connecting || other.destroyed) other.destroy();
    else other.resetAndDestroy();
  });
  one.once('close', () => {
    if (!one.readableEnded) other.destroy();
  });
}

async function close(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
}
