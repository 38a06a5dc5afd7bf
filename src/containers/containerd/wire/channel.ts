import type * as Grpc from '@grpc/grpc-js';
import { fromGrpc, wasNeverSent } from './errors.ts';
import { Schema } from './schema.ts';

/** How one call departs from the channel's habits. */
export interface CallOptions {
  /** Milliseconds until the call is given up; null waits for ever. 30 s when absent. */
  readonly deadlineMs?: number | null | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for a containerd that is not there, for it may just be restarting. 2 s when absent. */
  readonly graceMs?: number | undefined;
  /** What the call makes is held by this lease against garbage collection. */
  readonly lease?: string | undefined;
}

/** Which method, and the words of an error: `cannot <what>: …`. */
export interface Call {
  readonly service: string;
  readonly method: string;
  readonly what: string;
}

const DEADLINE_MS = 30_000;
const GRACE_MS = 2_000;

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.enable_http_proxy': 0,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.use_local_subchannel_pool': 1,
};

/** Messages out and in of a call that streams both ways, in step: one answer for each message sent. */
export interface Duplex<Req, Res> {
  exchange(request: Req): Promise<Res>;
  /** Ends the call; whatever the server still does is of no interest. */
  close(): void;
}

/** One gRPC connection to containerd, in one containerd namespace. It reconnects by itself on the next call. */
export class Channel {
  readonly socketPath: string;
  readonly namespace: string;
  readonly schema: Schema;
  readonly #grpc: typeof Grpc;
  readonly #client: Grpc.Client;

  private constructor(grpc: typeof Grpc, schema: Schema, socketPath: string, namespace: string) {
    this.#grpc = grpc;
    this.schema = schema;
    this.socketPath = socketPath;
    this.namespace = namespace;
    this.#client = new grpc.Client(`unix:${socketPath}`, grpc.credentials.createInsecure(), CHANNEL_OPTIONS);
  }

  /** Opens no connection yet: the first call does. */
  static async open(socketPath: string, namespace: string): Promise<Channel> {
    const [grpc, schema] = await Promise.all([import('@grpc/grpc-js'), Schema.load()]);
    return new Channel(grpc, schema, socketPath, namespace);
  }

  close(): void {
    this.#client.close();
  }

  /** The caller names the answer's type; the .proto file of the service is what guarantees it. */
  async unary<Res>(call: Call, request: object, options: CallOptions = {}): Promise<Res> {
    try {
      return await this.#unary<Res>(call, request, options);
    } catch (error) {
      // Nothing was sent, so trying again repeats nothing.
      if (!wasNeverSent(error) || !(await this.#comesBack(options))) throw this.#failure(error, call, options);
    }
    try {
      return await this.#unary<Res>(call, request, options);
    } catch (error) {
      throw this.#failure(error, call, options);
    }
  }

  /** Leaving the loop ends the call. Streams have no deadline unless one is given. */
  async *stream<Res>(call: Call, request: object, options: CallOptions = {}): AsyncGenerator<Res, void, undefined> {
    const method = this.schema.method(call.service, call.method);
    const { signal } = options;
    signal?.throwIfAborted();
    const running = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata(options),
      this.#callOptions({ deadlineMs: options.deadlineMs ?? null }),
    );
    // A cancelled call emits its end as an error event, after the loop below has gone.
    running.on('error', () => {});
    const cancel = (): void => running.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const message of running) yield message as Res;
    } catch (error) {
      throw this.#failure(error, call, options);
    } finally {
      signal?.removeEventListener('abort', cancel);
      running.cancel();
    }
  }

  duplex<Req extends object, Res>(call: Call, options: CallOptions = {}): Duplex<Req, Res> {
    const method = this.schema.method(call.service, call.method);
    options.signal?.throwIfAborted();
    const running = this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      this.#metadata(options),
      this.#callOptions({ deadlineMs: options.deadlineMs ?? null }),
    );
    return new Exchange<Req, Res>(running, options.signal, (error) => fromGrpc(error, call.what, this.socketPath));
  }

  #unary<Res>(call: Call, request: object, options: CallOptions): Promise<Res> {
    const method = this.schema.method(call.service, call.method);
    const { signal } = options;
    return new Promise<Res>((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const running = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata(options),
        this.#callOptions(options),
        (error, value) => {
          signal?.removeEventListener('abort', cancel);
          if (error) reject(error);
          else resolve(value as Res);
        },
      );
      const cancel = (): void => running.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  #comesBack({ graceMs = GRACE_MS, signal }: CallOptions): Promise<boolean> {
    if (graceMs === 0 || signal?.aborted) return Promise.resolve(false);
    return new Promise((resolve) => this.#client.waitForReady(Date.now() + graceMs, (error) => resolve(!error)));
  }

  #failure(error: unknown, call: Call, { signal }: CallOptions): unknown {
    return signal?.aborted ? signal.reason : fromGrpc(error, call.what, this.socketPath);
  }

  #metadata(options: CallOptions): Grpc.Metadata {
    const metadata = new this.#grpc.Metadata();
    metadata.set('containerd-namespace', this.namespace);
    if (options.lease !== undefined) metadata.set('containerd-lease', options.lease);
    return metadata;
  }

  #callOptions(options: CallOptions): Grpc.CallOptions {
    const ms = options.deadlineMs === undefined ? DEADLINE_MS : options.deadlineMs;
    return ms === null ? {} : { deadline: Date.now() + ms };
  }
}

class Exchange<Req extends object, Res> implements Duplex<Req, Res> {
  readonly #call: Grpc.ClientDuplexStream<object, object>;
  readonly #signal: AbortSignal | undefined;
  readonly #cancel: () => void;
  #waiting: { resolve(value: Res): void; reject(error: unknown): void } | undefined;
  #failure: unknown;

  constructor(
    call: Grpc.ClientDuplexStream<object, object>,
    signal: AbortSignal | undefined,
    translate: (error: unknown) => unknown,
  ) {
    this.#call = call;
    this.#signal = signal;
    this.#cancel = () => call.cancel();
    signal?.addEventListener('abort', this.#cancel, { once: true });
    call.on('data', (message: object) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.resolve(message as Res);
    });
    call.on('error', (error: unknown) => this.#fail(signal?.aborted ? signal.reason : translate(error)));
    call.on('end', () => this.#fail(new Error('containerd ended the call early')));
  }

  exchange(request: Req): Promise<Res> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise<Res>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#call.write(request);
    });
  }

  close(): void {
    this.#signal?.removeEventListener('abort', this.#cancel);
    this.#call.cancel();
  }

  // The stream can end before its status arrives; the status is the better reason, so it may replace the first one.
  #fail(error: unknown): void {
    this.#failure ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}
