import { MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_NOSIGNAL, SCM_RIGHTS, SOL_SOCKET } from './constants.ts';
import { check, uninterrupted } from './errors.ts';
import { libc } from './libc.ts';

// struct msghdr and its kin as they lie in memory on 64-bit Linux, in buffers that stay referenced as long as the kernel
// may follow an address in them.

const MSGHDR_SIZE = 56;
const MMSGHDR_SIZE = 64;
const IOVEC_SIZE = 16;
const CMSG_HEADER_SIZE = 16;
const SOCKADDR_SIZE = 28;
/** Where a field of struct msghdr stands. */
const MSGHDR = { name: 0, nameLength: 8, iov: 16, iovLength: 24, control: 32, controlLength: 40 } as const;

/** What one message can carry: SCM_MAX_FD. */
const MAX_DESCRIPTORS = 253;

/** Where the bytes of a buffer are, for as long as it is referenced. */
function addressOf(buffer: Uint8Array): bigint {
  // Safe: copies nothing.
  return BigInt(libc().memcpy(buffer, buffer, 0));
}

/** Zeroes with an address of their own; V8 may keep small arrays that it makes itself in its heap, and move them. */
function fixedBuffer(size: number): Buffer {
  return Buffer.from(new ArrayBuffer(size));
}

/** Owns the memory of one message: a header, the piece of data it points to, and a control part. */
class Message {
  readonly header = fixedBuffer(MSGHDR_SIZE);
  readonly control: Buffer;
  readonly #iov = fixedBuffer(IOVEC_SIZE);
  readonly #data: Uint8Array;

  constructor(data: Uint8Array, controlSize: number) {
    this.#data = data;
    this.control = fixedBuffer(controlSize);
    this.#iov.writeBigUInt64LE(addressOf(this.#data), 0);
    this.#iov.writeBigUInt64LE(BigInt(data.length), 8);
    this.header.writeBigUInt64LE(addressOf(this.#iov), MSGHDR.iov);
    this.header.writeBigUInt64LE(1n, MSGHDR.iovLength);
    if (controlSize === 0) return;
    this.header.writeBigUInt64LE(addressOf(this.control), MSGHDR.control);
    this.header.writeBigUInt64LE(BigInt(controlSize), MSGHDR.controlLength);
  }
}

/** Sends `data` (not empty) on a unix socket, and with it duplicates of descriptors. */
export function sendWithDescriptors(fd: number, data: Uint8Array, descriptors: readonly number[]): void {
  const length = CMSG_HEADER_SIZE + 4 * descriptors.length;
  const message = new Message(data, descriptors.length === 0 ? 0 : Math.ceil(length / 8) * 8);
  if (descriptors.length > 0) {
    message.control.writeBigUInt64LE(BigInt(length), 0);
    message.control.writeInt32LE(SOL_SOCKET, 8);
    message.control.writeInt32LE(SCM_RIGHTS, 12);
    descriptors.forEach((descriptor, index) => {
      message.control.writeInt32LE(descriptor, CMSG_HEADER_SIZE + 4 * index);
    });
  }
  // Safe: every address in the header is of a buffer that `message` keeps, with that buffer's own length.
  check(libc().sendmsg(fd, message.header, MSG_NOSIGNAL), 'sendmsg', 'pass descriptors');
}

/** Receives into `buffer`. Descriptors belong to the caller, are close-on-exec; a length of 0 is the end of the stream. */
export function receiveWithDescriptors(fd: number, buffer: Uint8Array): { length: number; descriptors: number[] } {
  const message = new Message(buffer, CMSG_HEADER_SIZE + 4 * MAX_DESCRIPTORS);
  // Safe: as above.
  const received = uninterrupted(() =>
    check(libc().recvmsg(fd, message.header, MSG_CMSG_CLOEXEC), 'recvmsg', 'receive descriptors'),
  );
  const descriptors: number[] = [];
  const controlLength = Number(message.header.readBigUInt64LE(MSGHDR.controlLength));
  if (controlLength >= CMSG_HEADER_SIZE && message.control.readInt32LE(12) === SCM_RIGHTS) {
    const end = Number(message.control.readBigUInt64LE(0));
    for (let at = CMSG_HEADER_SIZE; at + 4 <= end; at += 4) descriptors.push(message.control.readInt32LE(at));
  }
  return { length: received, descriptors };
}

/** Memory for `slots` datagrams of at most `size` bytes, each with the address of its peer. */
export class MessageSlots {
  readonly #headers: Buffer;
  readonly #iovs: Buffer;
  readonly #names: Buffer;
  readonly #data: Buffer;
  readonly #size: number;
  readonly #slots: number;

  constructor(slots: number, size: number) {
    this.#slots = slots;
    this.#size = size;
    this.#headers = fixedBuffer(MMSGHDR_SIZE * slots);
    this.#iovs = fixedBuffer(IOVEC_SIZE * slots);
    this.#names = fixedBuffer(SOCKADDR_SIZE * slots);
    this.#data = fixedBuffer(size * slots);
    const [names, iovs, data] = [addressOf(this.#names), addressOf(this.#iovs), addressOf(this.#data)];
    for (let slot = 0; slot < slots; slot += 1) {
      const at = slot * MMSGHDR_SIZE;
      this.#headers.writeBigUInt64LE(names + BigInt(slot * SOCKADDR_SIZE), at + MSGHDR.name);
      this.#headers.writeBigUInt64LE(iovs + BigInt(slot * IOVEC_SIZE), at + MSGHDR.iov);
      this.#headers.writeBigUInt64LE(1n, at + MSGHDR.iovLength);
      this.#iovs.writeBigUInt64LE(data + BigInt(slot * size), slot * IOVEC_SIZE);
    }
  }

  /** How many datagrams are there now; never waits. */
  receive(fd: number): number {
    for (let slot = 0; slot < this.#slots; slot += 1) {
      this.#headers.writeUInt32LE(SOCKADDR_SIZE, slot * MMSGHDR_SIZE + MSGHDR.nameLength);
      this.#iovs.writeUInt32LE(this.#size, slot * IOVEC_SIZE + 8);
    }
    // Safe: every header's addresses are of our own buffers, with what is left of each from there as its length.
    // Whatever the error (nothing there, or what a datagram of ours came back with), there is nothing now.
    return Math.max(0, libc().recvmmsg(fd, this.#headers, this.#slots, MSG_DONTWAIT, null));
  }

  /** What `slot` holds; a view, until the slot is used again. */
  data(slot: number): Buffer {
    const start = slot * this.#size;
    return this.#data.subarray(start, start + this.#headers.readUInt32LE(slot * MMSGHDR_SIZE + MSGHDR_SIZE));
  }

  /** The peer's sockaddr in `slot`; a view, until the slot is used again. */
  peer(slot: number): Buffer {
    const start = slot * SOCKADDR_SIZE;
    return this.#names.subarray(start, start + this.#headers.readUInt32LE(slot * MMSGHDR_SIZE + MSGHDR.nameLength));
  }

  /** The same, or `-1` with the error that a datagram sent before met. */
  receiveOrFail(fd: number): number {
    for (let slot = 0; slot < this.#slots; slot += 1) this.#iovs.writeUInt32LE(this.#size, slot * IOVEC_SIZE + 8);
    // Safe: as in receive().
    return libc().recvmmsg(fd, this.#headers, this.#slots, MSG_DONTWAIT, null);
  }

  /** The memory of a slot to be sent. */
  sent(slot: number): Buffer {
    return this.#data.subarray(slot * this.#size, (slot + 1) * this.#size);
  }

  /** Fills a slot to be sent. `data` must fit. No peer: the one that the socket is connected to. */
  put(slot: number, data: Uint8Array, peer: Uint8Array): void {
    this.#data.set(data, slot * this.#size);
    this.#names.set(peer, slot * SOCKADDR_SIZE);
    this.#headers.writeUInt32LE(peer.length, slot * MMSGHDR_SIZE + MSGHDR.nameLength);
    this.#iovs.writeUInt32LE(data.length, slot * IOVEC_SIZE + 8);
  }

  /**
   * Sends the first `count` slots. A datagram that cannot be sent (its peer's port is closed, the buffer is full) is
   * dropped, as datagrams are.
   */
  send(fd: number, count: number): void {
    for (let sent = 0; sent < count; ) {
      const headers = sent === 0 ? this.#headers : this.#headers.subarray(sent * MMSGHDR_SIZE);
      // Safe: as in receive(); the slots before `sent` are passed over.
      const done = libc().sendmmsg(fd, headers, count - sent, MSG_DONTWAIT);
      sent += done > 0 ? done : 1;
    }
  }

  /** Sends the first `count` slots, from `start` on; how many of them were taken before an error. */
  sendSome(fd: number, start: number, count: number): number {
    // Safe: as in receive(); the slots before `start` are passed over.
    const done = libc().sendmmsg(fd, this.#headers.subarray(start * MMSGHDR_SIZE), count - start, MSG_DONTWAIT);
    return Math.max(0, done);
  }
}
