import { familyOf } from '../../../base/index.ts';
import { type ConnectedBatch, openConnectedUdpSocketIn } from '../../../kernel/index.ts';
import type { Dialler, Upstream } from './exchange.ts';
import { random16 } from './randomness.ts';
import { type AskedOverUdp, UpstreamSocket } from './udp-socket.ts';

/** Ports in use at a time, at random for each question. */
const SOCKETS = 8;
/** Of one socket: how many questions it asks, and for how long it is used. */
const MAX_USES = 128;
const MAX_AGE_MS = 5_000;

export interface UdpUpstreamDeps {
  readonly batch: ConnectedBatch;
  /** Absent: from this thread's own network namespace. */
  readonly dialler?: Dialler | undefined;
}

export interface UdpQuestion {
  /** Must stay as it is until `done`; its id is not sent. */
  readonly packet: Buffer;
  readonly questionEnd: number;
  readonly timeoutMs: number;
  /** Called once, with a view that is valid only during the call. Undefined: this server is of no use. */
  done(response: Buffer | undefined): void;
}

/**
 * One server, asked over UDP from a few sockets that are replaced all the time. A forged answer must hit a port that the
 * kernel chose at random and an id that we did, as with a socket for each question (RFC 5452, 9.2), and there is one
 * attempt for each port: see {@link UpstreamSocket}.
 */
export class UdpUpstream {
  readonly #upstream: Upstream;
  readonly #deps: UdpUpstreamDeps;
  readonly #sockets = new Array<UpstreamSocket | undefined>(SOCKETS).fill(undefined);
  #closed = false;

  constructor(upstream: Upstream, deps: UdpUpstreamDeps) {
    this.#upstream = upstream;
    this.#deps = deps;
  }

  ask({ packet, questionEnd, timeoutMs, done }: UdpQuestion): void {
    const timer = setTimeout(() => {
      asked.at?.socket.forget(asked);
      done(undefined);
    }, timeoutMs);
    const asked: AskedOverUdp = {
      packet,
      questionEnd,
      moves: 0,
      done: (response) => {
        clearTimeout(timer);
        done(response);
      },
    };
    this.#askFromAny(asked);
  }

  /** Keeps no socket longer than what is awaited needs. What is asked after it has one of its own. Repeatable. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets.splice(0)) socket?.retire();
  }

  #askFromAny(asked: AskedOverUdp): void {
    let socket: UpstreamSocket;
    try {
      socket = this.#closed ? this.#open() : this.#pick();
    } catch {
      // No way leads there, or there are no descriptors.
      asked.done(undefined);
      return;
    }
    socket.ask(asked);
    if (this.#closed) socket.retire();
  }

  #pick(): UpstreamSocket {
    const index = random16() % SOCKETS;
    const known = this.#sockets[index];
    if (known !== undefined && !known.retired && known.uses < MAX_USES) return known;
    known?.retire();
    const fresh = this.#open();
    this.#sockets[index] = fresh;
    return fresh;
  }

  #open(): UpstreamSocket {
    const { ip, port } = this.#upstream;
    const { dialler, batch } = this.#deps;
    const fd = dialler === undefined ? openConnectedUdpSocketIn(undefined, ip, port) : dialler.udp(ip, port);
    const move = (asked: AskedOverUdp): void => this.#askFromAny(asked);
    const socket = new UpstreamSocket(fd, { batch, six: familyOf(ip) === 6, move });
    setTimeout(() => socket.retire(), MAX_AGE_MS).unref();
    return socket;
  }
}
