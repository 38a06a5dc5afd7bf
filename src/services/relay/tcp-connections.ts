import {
  acceptStream,
  connectStream,
  type EventQueue,
  isErrno,
  type OwnedFd,
  resetStream,
} from '../../kernel/streams/index.ts';
import { Direction } from './direction.ts';
import { Pipes } from './pipes.ts';
import { Reserve } from './reserve.ts';

export const CLIENT = 1;
export const TARGET = 2;
export type Side = typeof CLIENT | typeof TARGET;

/** Accepted in a row before what is open has its turn. */
const ACCEPT_AT_ONCE = 16;
const MAX_ID = 0xffff_fffe;

interface Connection {
  readonly id: number;
  readonly listener: number;
  readonly client: OwnedFd;
  readonly target: OwnedFd;
  readonly toTarget: Direction;
  readonly toClient: Direction;
  /** The client is not read before the target answered: nothing is taken that could not be delivered. */
  connected: boolean;
}

/**
 * Joins connections of clients to new ones to a target. The end of one direction leaves the other open; an error of one side
 * resets the other. Everything that can happen to one connection stays with it.
 */
export class TcpConnections implements Disposable {
  readonly #queue: EventQueue;
  readonly #pipes = new Pipes();
  readonly #reserve = new Reserve();
  readonly #connections = new Map<number, Connection>();
  /** Whose turn ended before there was nothing left to do. */
  readonly #busy = new Set<Connection>();
  #lastId = 0;

  constructor(queue: EventQueue) {
    this.#queue = queue;
  }

  get busy(): boolean {
    return this.#busy.size > 0;
  }

  /** Of the listener `listener`, whose descriptor is `fd`, to the sockaddr `address`. */
  accept(listener: number, fd: number, address: Uint8Array): void {
    for (let count = 0; count < ACCEPT_AT_ONCE; count += 1) {
      const client = this.#accepted(fd);
      if (client === undefined) return;
      try {
        this.#join(listener, client, address);
      } catch {
        // No route, no descriptors: the client is told at once.
        resetStream(client);
      }
    }
  }

  /** Something happened to one side. */
  happened(id: number, side: Side, over: boolean): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    const { toClient, toTarget } = connection;
    const [heard, said] = side === CLIENT ? [toClient, toTarget] : [toTarget, toClient];
    if (connection.connected) {
      this.#move(connection, heard.blocked ? [heard, said] : [said]);
      // Nobody hears what is still to be said, and no attempt to read would tell.
      if (over && said.ended && !heard.ended) this.#reset(connection);
    } else if (over) {
      this.#reset(connection);
    } else if (side === TARGET) {
      connection.connected = true;
      this.#move(connection, [toClient, toTarget]);
    }
  }

  /** Goes on with those whose turn it was not. */
  goOn(): void {
    for (const connection of [...this.#busy]) {
      this.#busy.delete(connection);
      this.#move(connection, [connection.toClient, connection.toTarget]);
    }
  }

  /** Closes all connections that came by a listener. */
  closeOf(listeners: ReadonlySet<number>): void {
    for (const connection of [...this.#connections.values()]) {
      if (listeners.has(connection.listener)) this.#close(connection);
    }
  }

  [Symbol.dispose](): void {
    for (const connection of [...this.#connections.values()]) this.#close(connection);
    this.#pipes[Symbol.dispose]();
    this.#reserve.close();
  }

  /** Where no descriptors are left, whoever waits is turned away: he would be told of again and again. */
  #accepted(fd: number): OwnedFd | undefined {
    try {
      return acceptStream(fd);
    } catch (error) {
      if (!isErrno(error, 'EMFILE', 'ENFILE')) return undefined;
    }
    this.#reserve.close();
    try {
      for (let client = acceptStream(fd); client !== undefined; client = acceptStream(fd)) resetStream(client);
    } catch {
      // Another thread was quicker to take the descriptor.
    }
    this.#reserve.open();
    return undefined;
  }

  #join(listener: number, client: OwnedFd, address: Uint8Array): void {
    const target = connectStream(address);
    this.#lastId = this.#lastId === MAX_ID ? 1 : this.#lastId + 1;
    const id = this.#lastId;
    const toTarget = new Direction(client, target, this.#pipes);
    const toClient = new Direction(target, client, this.#pipes);
    try {
      this.#queue.addStream(client.fd, CLIENT, id);
      this.#queue.addStream(target.fd, TARGET, id);
    } catch (error) {
      target.close();
      throw error;
    }
    this.#connections.set(id, { id, listener, client, target, toTarget, toClient, connected: false });
  }

  #move(connection: Connection, directions: readonly Direction[]): void {
    const { toClient, toTarget } = connection;
    try {
      for (const direction of directions) if (direction.move()) this.#busy.add(connection);
      if (toClient.ended && toTarget.ended) this.#close(connection);
    } catch {
      this.#reset(connection);
    }
  }

  #close(connection: Connection): void {
    this.#forget(connection);
    connection.client.close();
    connection.target.close();
  }

  #reset(connection: Connection): void {
    if (!this.#connections.has(connection.id)) return;
    try {
      // A server that has said everything may refuse to hear more: its answer is still delivered.
      connection.toClient.move();
    } catch {
      // It was the target that reset it.
    }
    this.#forget(connection);
    resetStream(connection.client);
    resetStream(connection.target);
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection.id);
    this.#busy.delete(connection);
    connection.toClient.drop();
    connection.toTarget.drop();
  }
}
