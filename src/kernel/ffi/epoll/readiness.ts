import { writeSync } from 'node:fs';
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLIN,
  EPOLLONESHOT,
} from '../constants.ts';
import { check } from '../errors.ts';
import { OwnedFd } from '../fd.ts';
import { libc } from '../libc.ts';
import { EPOLL_EVENT } from './event.ts';

const MAX_EVENTS = 64;
/** Nothing depends on it: a lost wake-up would cost so much and not for ever. */
const LONGEST_WAIT_MS = 10_000;

/** One descriptor under watch. */
export interface ReadinessWatch {
  /** Tells once more, when something is there to read or nobody can write any more. */
  rearm(): void;
  /** To be called before the descriptor is closed. Repeatable. */
  stop(): void;
}

/**
 * Tells when descriptors can be read, and leaves the reading to others, which is what Node's streams cannot. While
 * anything is watched it occupies one thread of libuv's pool (in `epoll_wait`) and keeps the process alive.
 */
export class Readiness implements Disposable {
  readonly #events = Buffer.allocUnsafeSlow(MAX_EVENTS * EPOLL_EVENT.size);
  readonly #event = Buffer.allocUnsafeSlow(128);
  readonly #ready = new Map<number, () => void>();
  #epoll: OwnedFd | undefined;
  #wake: OwnedFd | undefined;
  #waiting = false;
  #lastToken = 0;
  // Node joins its pool at exit, whose thread would go on waiting.
  readonly #atExit = (): void => this.#rouse();

  watch(fd: number, ready: () => void): ReadinessWatch {
    const epoll = this.#open();
    this.#lastToken += 1;
    const token = this.#lastToken;
    this.#control(epoll, EPOLL_CTL_ADD, fd, { events: EPOLLIN | EPOLLONESHOT, token });
    this.#ready.set(token, ready);
    this.#wait();
    return {
      rearm: () => {
        if (!this.#ready.has(token)) return;
        this.#control(this.#open(), EPOLL_CTL_MOD, fd, { events: EPOLLIN | EPOLLONESHOT, token });
      },
      stop: () => {
        if (!this.#ready.delete(token)) return;
        this.#control(this.#open(), EPOLL_CTL_DEL, fd, { events: 0, token });
        if (this.#ready.size === 0) this.#rouse();
      },
    };
  }

  /** Stops every watch. */
  [Symbol.dispose](): void {
    this.#ready.clear();
    this.#rouse();
  }

  #open(): OwnedFd {
    if (this.#epoll) return this.#epoll;
    // Safe: neither takes a pointer.
    this.#epoll = new OwnedFd(check(libc().epoll_create1(EPOLL_CLOEXEC), 'epoll_create1'), 'epoll');
    this.#wake = new OwnedFd(check(libc().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd'), 'eventfd');
    this.#control(this.#epoll, EPOLL_CTL_ADD, this.#wake.fd, { events: EPOLLIN, token: 0 });
    process.on('exit', this.#atExit);
    return this.#epoll;
  }

  #close(): void {
    process.off('exit', this.#atExit);
    this.#epoll?.close();
    this.#wake?.close();
    this.#epoll = undefined;
    this.#wake = undefined;
  }

  #control(epoll: OwnedFd, operation: number, fd: number, event: { events: number; token: number }): void {
    this.#event.writeUInt32LE(event.events, 0);
    this.#event.writeUInt32LE(event.token, EPOLL_EVENT.data);
    this.#event.writeUInt32LE(0, EPOLL_EVENT.data + 4);
    // Safe: the kernel reads one epoll_event, and the buffer is larger.
    check(libc().epoll_ctl(epoll.fd, operation, fd, this.#event), 'epoll_ctl');
  }

  #rouse(): void {
    if (this.#wake) writeSync(this.#wake.fd, Buffer.from(BigUint64Array.of(1n).buffer));
  }

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    // Safe: the buffer has room for that many events, lives outside V8's heap and is held by `this`, which the callback
    // holds; the descriptors are closed only after the call has returned.
    libc().epoll_wait.async(this.#open().fd, this.#events, MAX_EVENTS, LONGEST_WAIT_MS, (_error, count) => {
      this.#waiting = false;
      for (let index = 0; index < count; index += 1) {
        const token = this.#events.readUInt32LE(index * EPOLL_EVENT.size + EPOLL_EVENT.data);
        this.#ready.get(token)?.();
      }
      if (this.#ready.size > 0) this.#wait();
      else this.#close();
    });
  }
}
