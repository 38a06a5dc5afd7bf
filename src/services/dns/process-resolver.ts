import { type ChildProcess, spawn } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Id, type Ip, internal, type Log, Serial, silentLog, unavailable } from '../../base/index.ts';
import { descriptorOf, isErrno, passDescriptors } from '../../kernel/index.ts';
import type { DnsEndpoint, DnsView, Resolver } from '../../model/index.ts';
import { closeSockets, Predecessors } from './predecessors.ts';
import type { SandboxSockets } from './sandbox-sockets.ts';
import {
  type Change,
  type FromResolver,
  LineReader,
  type ResolverProcessOptions,
  type ServerSockets,
} from './serving/index.ts';

export interface ProcessResolverDeps {
  readonly sockets: SandboxSockets;
  readonly log?: Log;
}

export interface ProcessResolverOptions extends ResolverProcessOptions {
  readonly hostServers?: readonly Ip[];
}

/** The zone of a host with hundreds of containers is well below; more than this is a leak, and the process begins anew. */
const NODE_FLAGS = [
  '--max-old-space-size=64',
  '--max-semi-space-size=2',
  '--expose-gc',
  '--disable-warning=ExperimentalWarning',
];
const RESTART_DELAY_MS = 200;
const PASSED_AT_ONCE = 32;
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
  /** Ours; the process has duplicates. As long as one of us lives, what is asked waits in them and is not lost. */
  readonly sockets: ServerSockets;
}

interface Running {
  readonly child: ChildProcess;
  readonly control: Socket;
  readonly passing: Socket;
  readonly exited: Promise<void>;
}

/**
 * The embedded resolver. This half keeps what is to be served and opens sockets in sandboxes; a process does the serving.
 * When the process dies, a new one takes over everything, at once. When the daemon goes and there is a hand-over folder,
 * the process stays and serves what it knows, until the resolver of the next daemon takes over its sockets.
 */
export class ProcessResolver implements Resolver {
  readonly #sockets: SandboxSockets;
  readonly #log: Log;
  readonly #options: ProcessResolverOptions;
  readonly #endpoints = new Map<Id, DnsEndpoint>();
  readonly #views = new Map<Id, KnownView>();
  readonly #pending = new Map<number, Pending>();
  readonly #lanes = new Serial<number>();
  readonly #predecessors: Predecessors | undefined;
  #hostServers: readonly Ip[];
  #running: Running | undefined;
  /** Resolves when a process knows everything. */
  #ready: Promise<void> | undefined;
  #begun: boolean;
  #failures = 0;
  #sequence = 0;
  #passes = 0;
  #closed = false;

  constructor(deps: ProcessResolverDeps, options: ProcessResolverOptions = {}) {
    this.#sockets = deps.sockets;
    this.#log = deps.log ?? silentLog;
    this.#options = options;
    this.#hostServers = options.hostServers ?? [];
    const { handoverFolder } = options;
    this.#predecessors = handoverFolder === undefined ? undefined : new Predecessors(handoverFolder, this.#log);
    this.#begun = handoverFolder === undefined;
  }

  /** Of the process that serves now. */
  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  /** Starts the process ahead of the first need, which otherwise waits for it. */
  prepare(): void {
    // Whoever needs it is told.
    this.#whenReady().catch(() => {});
  }

  /**
   * With a hand-over folder nothing is answered before this, by this resolver: an earlier one goes on until all that was
   * there is known here as well.
   */
  async start(): Promise<void> {
    await this.#whenReady();
    if (this.#begun) return;
    this.#begun = true;
    await this.#begin(this.#predecessors?.paths ?? []);
    this.#predecessors?.close();
  }

  async addEndpoint(endpoint: DnsEndpoint): Promise<void> {
    await this.#whenReady();
    this.#endpoints.set(endpoint.endpointId, endpoint);
    await this.#tell({ op: 'addEndpoint', endpoint });
  }

  async removeEndpoint(endpointId: Id): Promise<void> {
    if (this.#closed || !this.#endpoints.has(endpointId)) return;
    await this.#whenReady();
    this.#endpoints.delete(endpointId);
    await this.#tell({ op: 'removeEndpoint', endpointId });
  }

  async setView(view: DnsView): Promise<void> {
    const { sandboxId, sandboxPath } = view;
    if (view.networkIds.length === 0) {
      await this.removeView(sandboxId);
      return;
    }
    await this.#whenReady();
    const namespace = this.#sockets.identify(sandboxPath);
    const known = this.#views.get(sandboxId);
    if (known?.namespace === namespace) {
      this.#views.set(sandboxId, { ...known, view });
      await this.#tell({ op: 'setView', view });
      return;
    }
    const sockets = this.#predecessors?.claim(sandboxId, namespace) ?? this.#sockets.openServer(sandboxPath);
    this.#views.set(sandboxId, { view, namespace, sockets });
    if (known !== undefined) closeSockets(known.sockets);
    await this.#pass({ view, namespace, sockets });
  }

  async removeView(sandboxId: Id): Promise<void> {
    if (this.#closed || !this.#views.has(sandboxId)) return;
    await this.#whenReady();
    const known = this.#views.get(sandboxId);
    if (known === undefined) return;
    this.#views.delete(sandboxId);
    closeSockets(known.sockets);
    await this.#tell({ op: 'removeView', sandboxId });
  }

  setHostServers(servers: readonly Ip[]): void {
    this.#hostServers = servers;
    if (this.#running !== undefined && !this.#closed) this.#post({ op: 'setHostServers', servers }, 0);
  }

  /** Lets go of the process. With a hand-over folder it serves on what it serves; else it ends. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const running = this.#running;
    running?.control.end();
    running?.passing.destroy();
    if (this.#options.handoverFolder === undefined) await running?.exited;
    running?.control.destroy();
    this.#failPending(closedError());
    for (const { sockets } of this.#views.values()) closeSockets(sockets);
    this.#predecessors?.close();
  }

  #begin(predecessors: readonly string[]): Promise<void> {
    return this.#tell({ op: 'begin', predecessors });
  }

  /** So many at a time: a unix socket takes only so many descriptors that nobody has read. */
  #pass(known: KnownView): Promise<void> {
    this.#passes += 1;
    return this.#lanes.run(this.#passes % PASSED_AT_ONCE, async () => {
      await this.#whenReady();
      // Else there is a later one, or none.
      if (this.#views.get(known.view.sandboxId)?.sockets === known.sockets) await this.#passNow(known);
    });
  }

  async #passNow({ view, namespace, sockets }: KnownView): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    try {
      passDescriptors(descriptorOf(running.passing), '.', [sockets.udp, sockets.tcp]);
    } catch (error) {
      if (!isErrno(error, 'EPIPE', 'ECONNRESET', 'no_descriptor')) throw error;
      // It has died, and the next one will be told.
      await running.exited;
      return;
    }
    await this.#tell({ op: 'setView', view, namespace });
  }

  #tell(change: Change): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#sequence += 1;
    this.#pending.set(this.#sequence, { done: resolve, failed: reject });
    this.#post(change, this.#sequence);
    return promise;
  }

  #whenReady(): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    this.#ready ??= this.#start().catch((error) => {
      if (this.#running === undefined) this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  /** Starts a process and tells it all that is known. */
  async #start(): Promise<void> {
    if (this.#failures > 1) await sleep(RESTART_DELAY_MS);
    if (this.#closed) throw closedError();
    this.#spawn();
    for (const endpoint of this.#endpoints.values()) this.#post({ op: 'addEndpoint', endpoint }, 0);
    this.#post({ op: 'setHostServers', servers: this.#hostServers }, 0);
    for (const known of [...this.#views.values()]) await this.#passNow(known);
    if (this.#begun) await this.#begin([]);
  }

  #spawn(): void {
    const { hostServers: _servers, ...options } = this.#options;
    // Node strips types from our sources as they are; published, this file is JavaScript and so is the other.
    const file = import.meta.url.endsWith('.ts') ? './serving/main.ts' : './serving/main.js';
    const cache = getCompileCacheDir();
    const child = spawn(
      process.execPath,
      [...NODE_FLAGS, fileURLToPath(new URL(file, import.meta.url)), JSON.stringify(options)],
      {
        cwd: '/',
        detached: true,
        // With the daemon's cache of compiled code it need not load what strips types, which is 20 to 30 MB.
        env: cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) },
        stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
      },
    );
    const [control, passing] = child.stdio.slice(3) as [Socket, Socket];
    const exited = new Promise<void>((resolve) => {
      child.on('error', (error) => {
        this.#log.error({ err: error }, 'the resolver cannot be started');
        resolve();
      });
      child.on('exit', (code, signal) => {
        if (!this.#closed) this.#log.error({ code, signal }, 'the resolver ended; another one takes over');
        resolve();
      });
    });
    const running: Running = { child, control, passing, exited };
    this.#running = running;
    const lines = new LineReader();
    control.setEncoding('utf8');
    control.on('data', (chunk: string) => {
      for (const line of lines.push(chunk)) this.#hear(JSON.parse(line) as FromResolver);
    });
    for (const socket of [control, passing]) socket.on('error', () => {});
    void exited.then(() => this.#exited(running));
    // It lives on its own.
    if (options.handoverFolder !== undefined) child.unref();
  }

  /** What was pending is known here already, and so part of what the next process is told. */
  #exited(running: Running): void {
    if (this.#running !== running) return;
    running.control.destroy();
    running.passing.destroy();
    this.#running = undefined;
    this.#ready = undefined;
    if (this.#closed) return;
    this.#failures += 1;
    if (this.#failures > MAX_FAILURES) {
      this.#failPending(
        internal('dns_process_failed', 'cannot change the resolver: its process fails again and again'),
      );
      return;
    }
    const interrupted = [...this.#pending.values()];
    this.#pending.clear();
    this.#whenReady().then(
      () => {
        for (const { done } of interrupted) done();
      },
      (error: Error) => {
        for (const { failed } of interrupted) failed(error);
      },
    );
  }

  #hear(reply: FromResolver): void {
    this.#failures = 0;
    if (reply.seq === 0) {
      if (reply.error !== undefined) this.#log.error({ error: reply.error }, 'resolver refused a change');
      return;
    }
    const pending = this.#pending.get(reply.seq);
    this.#pending.delete(reply.seq);
    if (reply.error === undefined) pending?.done();
    else pending?.failed(internal('dns_process_failed', `cannot change the resolver: ${reply.error}`));
  }

  /** What is told in one breath goes out in one write: each of its own would wake the process. */
  #post(change: Change, seq: number): void {
    const { control } = this.#running ?? {};
    if (control === undefined) return;
    if (control.writableCorked === 0) {
      control.cork();
      process.nextTick(() => control.uncork());
    }
    control.write(`${JSON.stringify({ ...change, seq })}\n`);
  }

  #failPending(error: Error): void {
    for (const { failed } of this.#pending.values()) failed(error);
    this.#pending.clear();
  }
}

function closedError(): Error {
  return unavailable('dns_closed', 'the resolver is closed');
}
