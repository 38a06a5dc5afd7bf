import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type Clock, familyOf } from '../../base/index.ts';
import type { RunningRelay, Source, Target } from './endpoints.ts';

export interface UdpRelayOptions {
  readonly clock: Clock;
  /** A client is forgotten when nothing went either way for this long. */
  readonly idleMs: number;
  /** More clients than this at once are not served: each costs a descriptor. */
  readonly maxClients: number;
}

interface Session {
  readonly socket: Socket;
  cancelIdle: () => void;
}

/** Relays datagrams from `source` to `target`. */
export async function openUdpRelay(source: Source, target: Target, options: UdpRelayOptions): Promise<RunningRelay> {
  const relay = new UdpRelay(source, target, options);
  await relay.listen(source);
  return relay;
}

/** Every client has a socket of its own towards the target, by which answers find back. */
class UdpRelay implements RunningRelay {
  readonly #target: Target;
  readonly #options: UdpRelayOptions;
  readonly #server: Socket;
  readonly #sessions = new Map<string, Session>();
  #closing: Promise<void> | undefined;

  constructor(source: Source, target: Target, options: UdpRelayOptions) {
    this.#target = target;
    this.#options = options;
    this.#server = socketOf('fd' in source ? source.family : familyOf(source.host), 'host' in source);
    this.#server.on('message', (data, { address, port }) => this.#forward(data, address, port));
  }

  async listen(source: Source): Promise<void> {
    const listening = once(this.#server, 'listening');
    this.#server.bind('fd' in source ? { fd: source.fd } : { address: source.host, port: source.port });
    await listening;
    this.#server.on('error', () => {});
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((done) => {
      for (const key of [...this.#sessions.keys()]) this.#forget(key);
      this.#server.close(done);
    });
    return this.#closing;
  }

  #forward(data: Buffer, address: string, port: number): void {
    const key = `${address} ${port}`;
    const session = this.#sessions.get(key) ?? this.#start(key, address, port);
    if (session === undefined) return;
    this.#stayAwake(key, session);
    // A datagram that cannot be sent is lost, as datagrams are.
    session.socket.send(data, this.#target.port, this.#target.ip, () => {});
  }

  #start(key: string, address: string, port: number): Session | undefined {
    if (this.#sessions.size >= this.#options.maxClients) return undefined;
    const session: Session = { socket: socketOf(familyOf(this.#target.ip), false), cancelIdle: () => {} };
    session.socket.on('error', () => this.#forget(key));
    session.socket.on('message', (data, from) => {
      if (from.address !== this.#target.ip || from.port !== this.#target.port) return;
      this.#stayAwake(key, session);
      this.#server.send(data, port, address, () => {});
    });
    this.#sessions.set(key, session);
    return session;
  }

  #stayAwake(key: string, session: Session): void {
    session.cancelIdle();
    session.cancelIdle = this.#options.clock.after(this.#options.idleMs, () => this.#forget(key));
  }

  #forget(key: string): void {
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    this.#sessions.delete(key);
    session.cancelIdle();
    session.socket.close();
  }
}

/** Addresses are never names here, so nothing is looked up. */
function socketOf(family: 4 | 6, ipv6Only: boolean): Socket {
  return createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    ipv6Only: family === 6 && ipv6Only,
    lookup: (host, _options, callback) => callback(null, host, family),
  });
}
