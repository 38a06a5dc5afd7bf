import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type Log, messageOf, silentLog } from '../../base/index.ts';
import { type OwnedFd, peerAddress, Readiness, type ReadinessWatch } from '../../kernel/index.ts';
import { EventQueue } from '../../kernel/streams/index.ts';
import type { Target } from './endpoints.ts';
import { type Done, LISTENER, type Listening, type Order, type ThreadData } from './messages.ts';

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
}

/** What there is from the first listener to the last. */
interface Running {
  readonly queue: EventQueue;
  readonly readiness: Readiness;
  watch: ReadinessWatch | undefined;
  thread: Thread | undefined;
}

/**
 * Joins every connection to one of its listeners to a new one to that listener's target. Nothing but a socket and an entry here
 * belongs to a listener, for there may be thousands that nobody ever uses: a thread that serves all of them is started when the first
 * connection comes, and ends with the last listener.
 */
export class TcpRelay {
  readonly #log: Log;
  readonly #listeners = new Map<number, { readonly socket: OwnedFd; readonly target: Target }>();
  readonly #closing = new Map<number, () => void>();
  #running: Running | undefined;
  #lastId = 0;

  constructor(log: Log = silentLog) {
    this.#log = log;
  }

  /** Takes over a listening, non-blocking socket. The function ends it with its connections and resolves when the port is free. */
  serve(socket: OwnedFd, target: Target): number {
    this.#running ??= this.#start();
    const { queue, thread } = this.#running;
    this.#lastId += 1;
    const id = this.#lastId;
    this.#listeners.set(id, { socket, target });
    if (thread !== undefined) this.#order(thread, { kind: 'listen', listening: [this.#listening(id)] });
    queue.addSource(socket.fd, LISTENER, id);
    return id;
  }

  /** Ends listeners with their connections; resolves when their ports are free. Repeatable. */
  async close(ids: readonly number[]): Promise<void> {
    const running = this.#running;
    const known = ids.filter((id) => this.#listeners.has(id));
    if (running === undefined || known.length === 0) return;
    const sockets = known.flatMap((id) => this.#listeners.get(id)?.socket ?? []);
    for (const id of known) this.#listeners.delete(id);
    for (const { fd } of sockets) running.queue.remove(fd);
    if (running.thread !== undefined) await this.#closed(running.thread, running.queue, known);
    for (const socket of sockets) socket.close();
    if (this.#listeners.size === 0 && this.#running === running) await this.#end(running);
  }

  #start(): Running {
    const running: Running = {
      queue: new EventQueue(),
      readiness: new Readiness(),
      watch: undefined,
      thread: undefined,
    };
    this.#await(running);
    return running;
  }

  /** Until somebody connects. */
  #await(running: Running): void {
    running.watch = running.readiness.watch(running.queue.handle.epoll, () => {
      running.watch?.stop();
      running.watch = undefined;
      if (this.#running === running && running.thread === undefined) running.thread = this.#startThread(running);
    });
  }

  #startThread(running: Running): Thread {
    const { port1: port, port2 } = new MessageChannel();
    const listening = [...this.#listeners.keys()].map((id) => this.#listening(id));
    const workerData: ThreadData = { queue: running.queue.handle, port: port2, listening };
    const worker = new Worker(new URL('thread.ts', import.meta.url), {
      workerData,
      transferList: [port2],
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 64 },
    });
    const thread: Thread = { worker, port };
    port.on('message', ({ ticket }: Done) => this.#closing.get(ticket)?.());
    port.unref();
    worker.unref();
    const wake = (): void => this.#order(thread, { kind: 'end' }, running.queue);
    // A thread that waits in the kernel does not hear that the process ends.
    process.on('exit', wake);
    worker.on('error', (error) =>
      this.#log.error({ reason: messageOf(error) }, 'the relay failed; its connections are lost'),
    );
    worker.on('exit', () => {
      process.off('exit', wake);
      port.close();
      for (const done of this.#closing.values()) done();
      running.thread = undefined;
      if (this.#running === running) this.#await(running);
    });
    return thread;
  }

  async #end(running: Running): Promise<void> {
    this.#running = undefined;
    running.watch?.stop();
    const { thread, queue } = running;
    if (thread !== undefined) {
      const ended = new Promise((done) => thread.worker.once('exit', done));
      thread.worker.ref();
      this.#order(thread, { kind: 'end' }, queue);
      await ended;
    }
    queue[Symbol.dispose]();
  }

  #closed(thread: Thread, queue: EventQueue, ids: readonly number[]): Promise<void> {
    return new Promise((resolve) => {
      const ticket = ids[0] ?? 0;
      thread.port.ref();
      this.#closing.set(ticket, () => {
        this.#closing.delete(ticket);
        if (this.#closing.size === 0) thread.port.unref();
        resolve();
      });
      this.#order(thread, { kind: 'close', ids, ticket }, queue);
    });
  }

  #order({ port }: Thread, order: Order, wake?: EventQueue): void {
    port.postMessage(order);
    wake?.wake();
  }

  #listening(id: number): Listening {
    const listener = this.#listeners.get(id);
    if (listener === undefined) throw new Error(`no listener ${id}`);
    const { ip, port } = listener.target;
    return { id, fd: listener.socket.fd, address: peerAddress(ip, port) };
  }
}
