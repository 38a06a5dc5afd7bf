import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls';
import type * as Grpc from '@grpc/grpc-js';
import { invalid, messageOf } from '../../../base/index.ts';
import type { EtcdStoreOptions } from '../options.ts';
import type { Method } from './schema.ts';

/** Our pings must come no more often than etcd suffers them (`--grpc-keepalive-min-time`, 5 s). */
const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.enable_http_proxy': 0,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.use_local_subchannel_pool': 1,
};

export interface MemberCallOptions {
  readonly token?: string | undefined;
  readonly timeoutMs?: number;
}

export type Stream = Grpc.ClientDuplexStream<object, object>;

/** One gRPC connection for each endpoint, opened on the first call to it. */
export class Members {
  readonly endpoints: readonly string[];
  readonly #grpc: typeof Grpc;
  readonly #pems: Pems | undefined;
  readonly #clients = new Map<number, Grpc.Client>();

  private constructor(grpc: typeof Grpc, endpoints: readonly string[], pems: Pems | undefined) {
    this.endpoints = endpoints;
    this.#grpc = grpc;
    this.#pems = pems;
  }

  static async open({ endpoints, tls }: EtcdStoreOptions): Promise<Members> {
    const grpc = await import('@grpc/grpc-js');
    return new Members(grpc, endpoints, tls && readPems(tls));
  }

  unary<Res>(place: number, method: Method, request: object, options: MemberCallOptions): Promise<Res> {
    return new Promise((resolve, reject) => {
      this.#client(place).makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata(options),
        options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs },
        (error, value) => (error ? reject(error) : resolve(value as Res)),
      );
    });
  }

  stream(place: number, method: Method, options: MemberCallOptions): Stream {
    return this.#client(place).makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      this.#metadata(options),
    );
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #client(place: number): Grpc.Client {
    let client = this.#clients.get(place);
    if (client === undefined) {
      const { target, options, verify } = addressed(this.endpoints[place] ?? '');
      const { createInsecure, createSsl } = this.#grpc.credentials;
      const credentials = this.#pems
        ? createSsl(this.#pems.ca, this.#pems.key, this.#pems.cert, verify)
        : createInsecure();
      client = new this.#grpc.Client(target, credentials, { ...CHANNEL_OPTIONS, ...options });
      this.#clients.set(place, client);
    }
    return client;
  }

  #metadata({ token }: MemberCallOptions): Grpc.Metadata {
    const metadata = new this.#grpc.Metadata();
    // A member that is cut off from the others says so instead of waiting for them.
    metadata.set('hasleader', 'true');
    if (token !== undefined) metadata.set('token', token);
    return metadata;
  }
}

/**
 * TLS has no way to ask for a server by its address, and Node refuses to try: an address is asked for by a name that means
 * nothing, and looked for in the certificate.
 */
function addressed(endpoint: string): {
  readonly target: string;
  readonly options: Readonly<Record<string, string>>;
  readonly verify: Grpc.VerifyOptions;
} {
  const host = endpoint.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  const family = isIP(host);
  if (family === 0) return { target: `dns:${endpoint}`, options: {}, verify: {} };
  return {
    target: `ipv${family}:${endpoint}`,
    options: { 'grpc.ssl_target_name_override': 'etcd' },
    verify: { checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate as PeerCertificate) },
  };
}

interface Pems {
  readonly ca: Buffer | null;
  readonly key: Buffer | null;
  readonly cert: Buffer | null;
}

/** Throws invalid `store_bad_certificate`, naming the files. */
function readPems(tls: NonNullable<EtcdStoreOptions['tls']>): Pems {
  const [ca = null, key = null, cert = null] = (['caFile', 'keyFile', 'certFile'] as const).map((name) =>
    pem(tls[name]),
  );
  try {
    createSecureContext({ ...(ca && { ca }), ...(key && { key }), ...(cert && { cert }) });
    return { ca, key, cert };
  } catch (error) {
    const files = [tls.caFile, tls.keyFile, tls.certFile].filter((path) => path !== undefined);
    throw invalid(
      'store_bad_certificate',
      `cannot use the certificates in ${files.join(', ')}: ${messageOf(error)}`,
      error,
    );
  }
}

function pem(path: string | undefined): Buffer | null {
  if (path === undefined) return null;
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw invalid(
      'store_bad_certificate',
      `cannot read the cluster store's certificate or key: ${messageOf(error)}`,
      error,
    );
  }
  if (!bytes.includes('-----BEGIN ')) {
    throw invalid('store_bad_certificate', `cannot use "${path}" for the cluster store: it holds no PEM`);
  }
  return bytes;
}
