import {
  isErrno,
  MSG_DONTWAIT,
  type OwnedFd,
  openSocketPair,
  receiveDatagram,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOL_SOCKET,
  sendWithDescriptors,
  setSocketOption,
} from './ffi/index.ts';

/** Some ten thousand messages; each costs the kernel less than a kilobyte. */
const QUEUE_BYTES = 16 << 20;

/**
 * Open files in the queue of a socket: they stay open as long as anybody has its far end, without doing anything for it.
 * A child that inherits `farFd` so keeps them over the end of this process.
 */
export class DescriptorQueue implements Disposable {
  readonly #near: OwnedFd;
  readonly #far: OwnedFd;

  constructor() {
    [this.#near, this.#far] = openSocketPair();
    try {
      setSocketOption(this.#near.fd, SOL_SOCKET, SO_SNDBUFFORCE, QUEUE_BYTES);
    } catch {
      // Without the capability as much as everybody may have.
      setSocketOption(this.#near.fd, SOL_SOCKET, SO_SNDBUF, QUEUE_BYTES);
    }
  }

  get farFd(): number {
    return this.#far.fd;
  }

  /** Adds copies of some at the end. False: the queue is full. */
  push(fds: readonly number[]): boolean {
    try {
      sendWithDescriptors(this.#near.fd, Buffer.from('.'), fds);
      return true;
    } catch (error) {
      if (isErrno(error, 'EAGAIN')) return false;
      throw error;
    }
  }

  /** Lets go of the oldest, as many as one `push` added. */
  drop(): void {
    // No room for descriptors is given, so the kernel closes them.
    receiveDatagram(this.#far.fd, new Uint8Array(1), MSG_DONTWAIT);
  }

  [Symbol.dispose](): void {
    this.#near.close();
    this.#far.close();
  }
}
