import type { Id, Ip } from '../../../base/index.ts';
import type { DnsEndpoint, DnsView } from '../../../model/index.ts';
import type { Transport } from './responder.ts';

// What the resolver and its worker thread say to each other.

/** Descriptors of the sandbox's bound UDP socket and listening TCP socket; the receiver owns them. */
export interface ServerSockets {
  readonly udp: number;
  readonly tcp: number;
}

export type Change =
  | { readonly op: 'addEndpoint'; readonly endpoint: DnsEndpoint }
  | { readonly op: 'removeEndpoint'; readonly endpointId: Id }
  | { readonly op: 'setView'; readonly view: DnsView; readonly sockets?: ServerSockets }
  | { readonly op: 'removeView'; readonly sandboxId: Id }
  | { readonly op: 'setHostServers'; readonly servers: readonly Ip[] }
  | { readonly op: 'close' };

/** The answer to a {@link SocketRequest}. */
export interface SocketReply {
  readonly op: 'socket';
  readonly request: number;
  readonly fd?: number;
}

export type ToWorker = (Change & { readonly seq: number }) | SocketReply;

/** The change is in force, or failed. */
export interface Acknowledgement {
  readonly op: 'done';
  readonly seq: number;
  readonly error?: string;
}

/** A socket to ask a sandbox's own server with, opened in the sandbox. */
export interface SocketRequest {
  readonly op: 'open';
  readonly request: number;
  readonly sandboxId: Id;
  readonly transport: Transport;
  readonly family: 4 | 6;
}

export type FromWorker = Acknowledgement | SocketRequest;

/** What the worker starts with; tests shorten it. */
export interface WorkerOptions {
  readonly upstreamPort?: number;
  readonly upstreamTimeoutMs?: number;
}
