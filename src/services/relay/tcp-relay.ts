import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { RunningRelay, Source, Target } from './endpoints.ts';

/** Listens at `source` and joins every connection to a new one to `target`. */
export async function openTcpRelay(source: Source, target: Target): Promise<RunningRelay> {
  const relay = new TcpRelay(target);
  await relay.listen(source);
  return relay;
}

/** There may be thousands that nobody ever uses, so each keeps as little as it can. */
class TcpRelay implements RunningRelay {
  readonly #target: Target;
  readonly #server: Server;
  #sockets: Set<Socket> | undefined;

  constructor(target: Target) {
    this.#target = target;
    // The client is not read before the target answered: nothing is taken that could not be delivered.
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.#serve(client));
  }

  async listen(source: Source): Promise<void> {
    this.#server.listen('fd' in source ? { fd: source.fd } : { ...source, ipv6Only: true });
    await once(this.#server, 'listening');
    this.#server.on('error', ignore);
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets ?? []) socket.destroy();
    await closed;
  }

  #serve(client: Socket): void {
    const { ip: host, port } = this.#target;
    const backend = connect({ host, port, allowHalfOpen: true });
    this.#keep(client);
    this.#keep(backend);
    join(client, backend);
  }

  #keep(socket: Socket): void {
    this.#sockets ??= new Set();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets?.delete(socket));
  }
}

/** Accepting can fail for want of descriptors; that costs a connection, not the relay. */
function ignore(): void {}

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
