import {
  AF_NETLINK,
  bindSocket,
  isErrno,
  MSG_TRUNC,
  NETLINK_ADD_MEMBERSHIP,
  netlinkAddress,
  type OwnedFd,
  openSocket,
  receiveDatagram,
  SO_RCVBUFFORCE,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  setSocketOption,
  signalOnArrival,
} from '../../ffi/index.ts';
import { type NetnsHandle, runInNetns } from '../../netns/index.ts';

export interface MulticastOptions {
  readonly protocol: number;
  /** Numbers of the groups to listen to. */
  readonly groups: readonly number[];
  readonly queueBytes: number;
  /** Default: the namespace the thread is in. */
  readonly netns?: NetnsHandle | undefined;
}

export interface MulticastListener {
  /** Bytes are valid until it returns. */
  datagram(bytes: Uint8Array): void;
  /** The kernel dropped messages because we were slow. */
  overrun(): void;
  error(error: unknown): void;
}

/** Most of what is told is what this process does itself: reading it can wait until whoever asked for that has an answer. */
const GATHER_MS = 20;

/**
 * Hears what the kernel tells everybody. Node can wait for sockets of families it knows only, so the kernel sends SIGURG
 * when something arrives, and soon after all that has come is read: no thread waits and nobody polls. Main thread only, as
 * worker threads hear no signals.
 */
export class MulticastSocket implements Disposable {
  static readonly #open = new Set<MulticastSocket>();
  static #buffer: Uint8Array | undefined;
  static #gathering: NodeJS.Timeout | undefined;
  readonly #fd: OwnedFd;
  readonly #listener: MulticastListener;

  private constructor(fd: OwnedFd, listener: MulticastListener) {
    this.#fd = fd;
    this.#listener = listener;
  }

  static open(options: MulticastOptions, listener: MulticastListener): MulticastSocket {
    const open = (): OwnedFd => openSocket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, options.protocol);
    const fd = options.netns === undefined ? open() : runInNetns(options.netns, open);
    const socket = new MulticastSocket(fd, listener);
    if (MulticastSocket.#open.size === 0) process.on('SIGURG', MulticastSocket.#gather);
    MulticastSocket.#open.add(socket);
    try {
      setSocketOption(fd.fd, SOL_SOCKET, SO_RCVBUFFORCE, options.queueBytes);
      bindSocket(fd.fd, netlinkAddress());
      signalOnArrival(fd.fd);
      for (const group of options.groups) setSocketOption(fd.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
    } catch (error) {
      socket.close();
      throw error;
    }
    return socket;
  }

  close(): void {
    this.#fd.close();
    MulticastSocket.#open.delete(this);
    if (MulticastSocket.#open.size === 0) MulticastSocket.#forgetAll();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  static readonly #gather = (): void => {
    MulticastSocket.#gathering ??= setTimeout(MulticastSocket.#readAll, GATHER_MS).unref();
  };

  static #forgetAll(): void {
    process.off('SIGURG', MulticastSocket.#gather);
    clearTimeout(MulticastSocket.#gathering);
    MulticastSocket.#gathering = undefined;
  }

  static readonly #readAll = (): void => {
    MulticastSocket.#gathering = undefined;
    for (const socket of [...MulticastSocket.#open]) socket.#read();
  };

  #read(): void {
    MulticastSocket.#buffer ??= new Uint8Array(64 * 1024);
    const buffer = MulticastSocket.#buffer;
    while (!this.#fd.closed) {
      try {
        const length = receiveDatagram(this.#fd.fd, buffer, MSG_TRUNC);
        if (length === undefined) return;
        if (length > buffer.length) this.#listener.overrun();
        else this.#listener.datagram(buffer.subarray(0, length));
      } catch (error) {
        if (isErrno(error, 'ENOBUFS')) {
          this.#listener.overrun();
          continue;
        }
        this.#listener.error(error);
        return;
      }
    }
  }
}
