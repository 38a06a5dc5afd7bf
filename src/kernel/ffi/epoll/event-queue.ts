import { readSync, writeSync } from 'node:fs';
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
} from '../constants.ts';
import { check } from '../errors.ts';
import { OwnedFd } from '../fd.ts';
import { libc } from '../libc.ts';
import { EPOLL_EVENT } from './event.ts';

const MAX_EVENTS = 256;
const WAKE_KIND = 0xffff_ffff;

/** The descriptors behind a queue: good in every thread of the process. */
export interface EventQueueHandle {
  readonly epoll: number;
  readonly wake: number;
}

/** Whom an event is for, in the words of whoever added the descriptor: `kind` below 2^32 - 1, `id` below 2^32. */
export interface ReadyEvent {
  readonly kind: number;
  readonly id: number;
  /** Of a connection: it has ended both ways, was reset, or never came to be. */
  readonly over: boolean;
}

/**
 * Waits in the calling thread until something happens to one of many descriptors. All threads of a process may use one queue:
 * one waits, others add and wake it. Whoever opened it closes it, after the last use.
 */
export class EventQueue implements Disposable {
  readonly handle: EventQueueHandle;
  readonly #owned: readonly OwnedFd[];
  // Outside V8's heap, so that they stay where they are.
  readonly #events = Buffer.allocUnsafeSlow(MAX_EVENTS * EPOLL_EVENT.size);
  readonly #event = Buffer.allocUnsafeSlow(EPOLL_EVENT.size);
  readonly #wakened = Buffer.allocUnsafeSlow(8);

  /** `handle`: a queue that another thread has opened. */
  constructor(handle?: EventQueueHandle) {
    if (handle !== undefined) {
      this.#owned = [];
      this.handle = handle;
      return;
    }
    // Safe: neither takes a pointer.
    const epoll = new OwnedFd(check(libc().epoll_create1(EPOLL_CLOEXEC), 'epoll_create1'), 'epoll');
    const wake = new OwnedFd(check(libc().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd'), 'eventfd');
    this.#owned = [epoll, wake];
    this.handle = { epoll: epoll.fd, wake: wake.fd };
    this.#control(EPOLL_CTL_ADD, wake.fd, { events: EPOLLIN, kind: WAKE_KIND, id: 0 });
  }

  /** Tells of a listener or a datagram socket again and again for as long as there is something to take. */
  addSource(fd: number, kind: number, id: number): void {
    this.#control(EPOLL_CTL_ADD, fd, { events: EPOLLIN, kind, id });
  }

  /** Tells of a connection once when it can be read, written or is over, where that was not so before. */
  addStream(fd: number, kind: number, id: number): void {
    const events = (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) >>> 0;
    this.#control(EPOLL_CTL_ADD, fd, { events, kind, id });
  }

  /** Not needed for a descriptor that is closed and has no duplicate. */
  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, { events: 0, kind: 0, id: 0 });
  }

  /**
   * Calls `ready` for each event there is. Waits for the first; with `wait` false only looks. True: somebody called
   * {@link wake} since.
   */
  take(ready: (event: ReadyEvent) => void, wait: boolean): boolean {
    // Safe: the buffer has room for that many events.
    const count = libc().epoll_wait(this.handle.epoll, this.#events, MAX_EVENTS, wait ? -1 : 0);
    const events: ReadyEvent[] = [];
    let wakened = false;
    for (let at = 0; at < count * EPOLL_EVENT.size; at += EPOLL_EVENT.size) {
      const flags = this.#events.readUInt32LE(at);
      const id = this.#events.readUInt32LE(at + EPOLL_EVENT.data);
      const kind = this.#events.readUInt32LE(at + EPOLL_EVENT.data + 4);
      if (kind === WAKE_KIND) wakened = true;
      else events.push({ kind, id, over: (flags & (EPOLLERR | EPOLLHUP)) !== 0 });
    }
    if (wakened) readSync(this.handle.wake, this.#wakened);
    for (const event of events) ready(event);
    return wakened;
  }

  /** From any thread. */
  wake(): void {
    writeSync(this.handle.wake, Buffer.from(BigUint64Array.of(1n).buffer));
  }

  [Symbol.dispose](): void {
    for (const fd of this.#owned) fd.close();
  }

  #control(operation: number, fd: number, { events, kind, id }: { events: number; kind: number; id: number }): void {
    this.#event.writeUInt32LE(events, 0);
    this.#event.writeUInt32LE(id, EPOLL_EVENT.data);
    this.#event.writeUInt32LE(kind, EPOLL_EVENT.data + 4);
    // Safe: the kernel reads one epoll_event, and the buffer is as large.
    check(libc().epoll_ctl(this.handle.epoll, operation, fd, this.#event), 'epoll_ctl');
  }
}
