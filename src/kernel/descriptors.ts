import type { Socket } from 'node:net';
import { internal } from '../base/index.ts';
import {
  AF_UNIX,
  connectSocket,
  type OwnedFd,
  openSocket,
  receiveWithDescriptors,
  SO_RCVTIMEO,
  SOCK_STREAM,
  SOL_SOCKET,
  sendWithDescriptors,
  setSocketOption,
  unixAddress,
} from './ffi/index.ts';

/** Passes duplicates of descriptors, with a text that is not empty, over a unix socket. A text without any is fine too. */
export function passDescriptors(socketFd: number, text: string, descriptors: readonly number[]): void {
  sendWithDescriptors(socketFd, Buffer.from(text), descriptors);
}

/** What was passed with one call. */
export interface Passed {
  /** Empty: the other side has closed. */
  readonly text: string;
  /** Owned by the caller, close-on-exec. */
  readonly descriptors: readonly number[];
}

const MAX_TEXT_SIZE = 16_384;

/**
 * Waits for what is passed next. Texts that came without descriptors may be joined to the next one, so end each with
 * something.
 */
export function takeDescriptors(socketFd: number): Passed {
  const buffer = Buffer.from(new ArrayBuffer(MAX_TEXT_SIZE));
  const { length, descriptors } = receiveWithDescriptors(socketFd, buffer);
  return { text: buffer.toString('utf8', 0, length), descriptors };
}

/** A blocking connection to a unix socket, on which nothing is waited for longer than `patienceMs`. */
export function connectUnix(path: string, patienceMs: number): OwnedFd {
  const fd = openSocket(AF_UNIX, SOCK_STREAM, 0);
  try {
    const seconds = Math.trunc(patienceMs / 1000);
    const timeval = BigInt64Array.of(BigInt(seconds), BigInt(Math.round(patienceMs - seconds * 1000) * 1000));
    setSocketOption(fd.fd, SOL_SOCKET, SO_RCVTIMEO, new Uint8Array(timeval.buffer));
    connectSocket(fd.fd, unixAddress(path));
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** The descriptor of an open socket of Node's, which goes on owning it. */
export function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd === 'number' && fd >= 0) return fd;
  throw internal('no_descriptor', 'cannot use a socket: it is closed');
}
