import type { Ip } from '../base/index.ts';
import { inetAddress, MessageSlots, sendDatagramTo } from './ffi/index.ts';

export interface DatagramBatchOptions {
  readonly slots?: number;
  /** The largest datagram in bytes; larger ones are cut off when received and must not be sent. */
  readonly size?: number;
}

/**
 * Receives and sends many datagrams with one system call each, in memory that is used again and again. Answers collect
 * until they are flushed. One for all sockets of a thread.
 */
export class DatagramBatch {
  readonly #incoming: MessageSlots;
  readonly #outgoing: MessageSlots;
  readonly slots: number;
  #waiting = 0;

  constructor({ slots = 64, size = 4096 }: DatagramBatchOptions = {}) {
    this.slots = slots;
    this.#incoming = new MessageSlots(slots, size);
    this.#outgoing = new MessageSlots(slots, size);
  }

  /** How many datagrams were there (at most `slots`); never waits. What they hold is valid until the next call. */
  receive(fd: number): number {
    return this.#incoming.receive(fd);
  }

  data(index: number): Buffer {
    return this.#incoming.data(index);
  }

  /** The sender of a datagram, as {@link reply} wants it. */
  peer(index: number): Buffer {
    return this.#incoming.peer(index);
  }

  reply(fd: number, data: Uint8Array, peer: Uint8Array): void {
    if (this.#waiting === this.slots) this.flush(fd);
    this.#outgoing.put(this.#waiting, data, peer);
    this.#waiting += 1;
  }

  flush(fd: number): void {
    if (this.#waiting > 0) this.#outgoing.send(fd, this.#waiting);
    this.#waiting = 0;
  }
}

/** The address of a peer, as {@link DatagramBatch.reply} wants it. */
export function peerAddress(ip: Ip, port: number): Uint8Array {
  return inetAddress(ip, port);
}

/** Sends one datagram; one that cannot be sent is dropped. */
export function sendToPeer(fd: number, data: Uint8Array, peer: Uint8Array): void {
  try {
    sendDatagramTo(fd, data, peer);
  } catch {
    // Its peer is gone.
  }
}
