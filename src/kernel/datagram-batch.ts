import type { Ip } from '../base/index.ts';
import { inetAddress, lastErrno, MessageSlots } from './ffi/index.ts';

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
  /** Where what waits goes. */
  #fd = -1;
  #flushing = false;

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
    if (this.#waiting === this.slots || fd !== this.#fd) this.flush();
    this.#fd = fd;
    this.#outgoing.put(this.#waiting, data, peer);
    this.#waiting += 1;
  }

  flush(): void {
    if (this.#waiting > 0) this.#outgoing.send(this.#fd, this.#waiting);
    this.#waiting = 0;
  }

  /** Flushes when everything that is ready to run now has run. */
  flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(() => {
      this.#flushing = false;
      this.flush();
    });
  }
}

/** A datagram, the first two bytes of which are replaced on the way out. */
export interface NumberedDatagram {
  readonly data: Uint8Array;
  readonly number: number;
}

/**
 * {@link DatagramBatch} for sockets that are connected to one peer: these tell of errors, among them what datagrams sent
 * earlier met, and the next call may be the one that is told. One for all sockets of a thread.
 */
export class ConnectedBatch {
  readonly #incoming: MessageSlots;
  readonly #outgoing: MessageSlots;
  readonly #size: number;
  readonly slots: number;

  constructor({ slots = 64, size = 4096 }: DatagramBatchOptions = {}) {
    this.slots = slots;
    this.#size = size;
    this.#incoming = new MessageSlots(slots, size);
    this.#outgoing = new MessageSlots(slots, size);
  }

  /** How many datagrams were there (at most `slots`), or the error; never waits. What they hold is valid until the next call. */
  receive(fd: number): number | string {
    const count = this.#incoming.receiveOrFail(fd);
    if (count >= 0) return count;
    const error = lastErrno();
    return error === 'EAGAIN' ? 0 : error;
  }

  data(index: number): Buffer {
    return this.#incoming.data(index);
  }

  /** Sends in order, until an error. `sent`: how many were. None may be larger than `size`. */
  send(fd: number, datagrams: readonly NumberedDatagram[]): { readonly sent: number; readonly error?: string } {
    for (let start = 0; start < datagrams.length; start += this.slots) {
      const count = Math.min(this.slots, datagrams.length - start);
      for (let slot = 0; slot < count; slot += 1) this.#put(slot, datagrams[start + slot]);
      for (let done = 0; done < count; ) {
        const taken = this.#outgoing.sendSome(fd, done, count);
        if (taken === 0) return { sent: start + done, error: lastErrno() };
        done += taken;
      }
    }
    return { sent: datagrams.length };
  }

  #put(slot: number, datagram: NumberedDatagram | undefined): void {
    if (datagram === undefined || datagram.data.length > this.#size) throw new RangeError('the datagram does not fit');
    this.#outgoing.put(slot, datagram.data, NO_PEER);
    const data = this.#outgoing.sent(slot);
    data[0] = datagram.number >> 8;
    data[1] = datagram.number & 0xff;
  }
}

const NO_PEER = new Uint8Array(0);

/** The address of a peer, as {@link DatagramBatch.reply} wants it. */
export function peerAddress(ip: Ip, port: number): Uint8Array {
  return inetAddress(ip, port);
}
