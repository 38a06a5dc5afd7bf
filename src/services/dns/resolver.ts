import { getCompileCacheDir } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Id, type Ip, internal, type Log, messageOf, silentLog, unavailable } from '../../base/index.ts';
import type { DnsEndpoint, DnsView, Resolver } from '../../model/index.ts';
import type { SandboxSockets } from './sandbox-sockets.ts';
import type { Change, FromWorker, SocketRequest, ToWorker, WorkerOptions } from './thread/index.ts';

export interface WorkerResolverDeps {
  readonly sockets: SandboxSockets;
  readonly log?: Log;
}

export interface WorkerResolverOptions extends WorkerOptions {
  readonly hostServers?: readonly Ip[];
}

/** The zone of a host with hundreds of containers is well below; more than this is a leak, and the thread begins anew. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8, stackSizeMb: 1 };
/**
 * A thread has a compile cache only if it asks for it, and only before it loads anything. With the cache it need not load
 * the compiler that strips types, which is 20 to 30 MB.
 */
const BOOTSTRAP = `
const { enableCompileCache, flushCompileCache } = require('node:module');
const { file, cache } = require('node:worker_threads').workerData;
if (cache) enableCompileCache(cache);
import(file).then(() => flushCompileCache());`;
const RESTART_DELAY_MS = 200;
/** Failures in a row, without anything done in between, after which callers are told. */
const MAX_FAILURES = 5;

interface Pending {
  readonly done: () => void;
  readonly failed: (error: Error) => void;
}

interface KnownView {
  readonly view: DnsView;
  /** Which namespace has the sockets: a path can get a new one behind it. */
  readonly namespace: string;
}

/**
 * The embedded resolver. This half keeps what is to be served and opens sockets in sandboxes; a worker thread does the
 * serving. When the thread fails, a new one takes over everything.
 */
export class WorkerResolver implements Resolver {
  readonly #sockets: SandboxSockets;
  readonly #log: Log;
  readonly #options: WorkerResolverOptions;
  readonly #endpoints = new Map<Id, DnsEndpoint>();
  readonly #views = new Map<Id, KnownView>();
  readonly #pending = new Map<number, Pending>();
  #hostServers: readonly Ip[];
  #worker: Worker | undefined;
  /** Resolves when a thread knows everything. */
  #ready: Promise<void> | undefined;
  #failures = 0;
  #sequence = 0;
  #closed = false;

  constructor(deps: WorkerResolverDeps, options: WorkerResolverOptions = {}) {
    this.#sockets = deps.sockets;
    this.#log = deps.log ?? silentLog;
    this.#options = options;
    this.#hostServers = options.hostServers ?? [];
  }

  /** Starts the thread ahead of the first need, which otherwise waits for it. */
  start(): Promise<void> {
    return this.#running();
  }

  async addEndpoint(endpoint: DnsEndpoint): Promise<void> {
    await this.#running();
    this.#endpoints.set(endpoint.endpointId, endpoint);
    await this.#tell({ op: 'addEndpoint', endpoint });
  }

  async removeEndpoint(endpointId: Id): Promise<void> {
    if (this.#closed || !this.#endpoints.has(endpointId)) return;
    await this.#running();
    this.#endpoints.delete(endpointId);
    await this.#tell({ op: 'removeEndpoint', endpointId });
  }

  async setView(view: DnsView): Promise<void> {
    const { sandboxId, sandboxPath } = view;
    if (view.networkIds.length === 0) {
      await this.removeView(sandboxId);
      return;
    }
    await this.#running();
    const namespace = this.#sockets.identify(sandboxPath);
    const served = this.#views.get(sandboxId)?.namespace === namespace;
    const sockets = served ? undefined : this.#sockets.openServer(sandboxPath);
    this.#views.set(sandboxId, { view, namespace });
    await this.#tell({ op: 'setView', view, ...(sockets && { sockets }) });
  }

  async removeView(sandboxId: Id): Promise<void> {
    if (this.#closed || !this.#views.has(sandboxId)) return;
    await this.#running();
    if (!this.#views.delete(sandboxId)) return;
    await this.#tell({ op: 'removeView', sandboxId });
  }

  setHostServers(servers: readonly Ip[]): void {
    this.#hostServers = servers;
    if (this.#worker !== undefined && !this.#closed) this.#post({ op: 'setHostServers', servers, seq: 0 });
  }

  /** Stops serving. The sandboxes keep their redirection: the next daemon opens new sockets and replaces it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const worker = this.#worker;
    if (worker === undefined) {
      this.#failPending(closedError());
      return;
    }
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    this.#post({ op: 'close', seq: 0 });
    await exited;
    this.#failPending(closedError());
  }

  #tell(change: Change): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#sequence += 1;
    this.#pending.set(this.#sequence, { done: resolve, failed: reject });
    this.#post({ ...change, seq: this.#sequence });
    return promise;
  }

  #running(): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    this.#ready ??= this.#start().catch((error) => {
      if (this.#worker === undefined) this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  /** Starts a thread and tells it all that is known. */
  async #start(): Promise<void> {
    if (this.#failures > 0) await sleep(RESTART_DELAY_MS);
    if (this.#closed) throw closedError();
    this.#spawn();
    for (const endpoint of this.#endpoints.values()) this.#post({ op: 'addEndpoint', endpoint, seq: 0 });
    for (const { view } of this.#views.values()) this.#serveAgain(view);
    await this.#tell({ op: 'setHostServers', servers: this.#hostServers });
  }

  #serveAgain(view: DnsView): void {
    try {
      const namespace = this.#sockets.identify(view.sandboxPath);
      this.#post({ op: 'setView', view, sockets: this.#sockets.openServer(view.sandboxPath), seq: 0 });
      this.#views.set(view.sandboxId, { view, namespace });
    } catch (error) {
      this.#views.delete(view.sandboxId);
      this.#log.warn({ error: messageOf(error), path: view.sandboxPath }, 'cannot serve names any more');
    }
  }

  #spawn(): void {
    const { upstreamPort, upstreamTimeoutMs } = this.#options;
    const options: WorkerOptions = {
      ...(upstreamPort !== undefined && { upstreamPort }),
      ...(upstreamTimeoutMs !== undefined && { upstreamTimeoutMs }),
    };
    // Node strips types from our sources as they are; published, this file is JavaScript and so is the other.
    const file = import.meta.url.endsWith('.ts') ? './thread/worker.ts' : './thread/worker.js';
    const workerData = { ...options, file: new URL(file, import.meta.url).href, cache: getCompileCacheDir() };
    const worker = new Worker(BOOTSTRAP, { eval: true, workerData, resourceLimits: RESOURCE_LIMITS, name: 'dns' });
    this.#worker = worker;
    worker.on('message', (message: FromWorker) => this.#hear(message));
    worker.on('error', (error) => this.#log.error({ error: messageOf(error) }, 'resolver thread failed'));
    worker.on('exit', () => this.#exited());
  }

  /** What was pending is known here already, and so part of what the next thread is told. */
  #exited(): void {
    this.#worker = undefined;
    this.#ready = undefined;
    if (this.#closed) return;
    this.#failures += 1;
    if (this.#failures > MAX_FAILURES) {
      this.#failPending(internal('dns_worker_failed', 'cannot change the resolver: its thread fails again and again'));
      return;
    }
    const interrupted = [...this.#pending.values()];
    this.#pending.clear();
    this.#running().then(
      () => {
        for (const { done } of interrupted) done();
      },
      (error: Error) => {
        for (const { failed } of interrupted) failed(error);
      },
    );
  }

  #hear(message: FromWorker): void {
    if (message.op === 'open') {
      this.#openClient(message);
      return;
    }
    this.#failures = 0;
    if (message.seq === 0) {
      if (message.error !== undefined) this.#log.error({ error: message.error }, 'resolver refused a change');
      return;
    }
    const pending = this.#pending.get(message.seq);
    this.#pending.delete(message.seq);
    if (message.error === undefined) pending?.done();
    else pending?.failed(internal('dns_worker_failed', `cannot change the resolver: ${message.error}`));
  }

  #openClient({ request, sandboxId, transport, family }: SocketRequest): void {
    const path = this.#views.get(sandboxId)?.view.sandboxPath;
    try {
      if (path === undefined) throw internal('dns_no_view', 'the sandbox is gone');
      this.#post({ op: 'socket', request, fd: this.#sockets.openClient(path, transport, family) });
    } catch (error) {
      this.#log.debug({ error: messageOf(error), path }, 'cannot open a socket in a sandbox');
      this.#post({ op: 'socket', request });
    }
  }

  #post(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #failPending(error: Error): void {
    for (const { failed } of this.#pending.values()) failed(error);
    this.#pending.clear();
  }
}

function closedError(): Error {
  return unavailable('dns_closed', 'the resolver is closed');
}
