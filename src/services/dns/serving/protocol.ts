import type { Id, Ip } from '../../../base/index.ts';
import type { DnsEndpoint, DnsView } from '../../../model/index.ts';

// What a daemon and its resolver process say to each other: lines of JSON on descriptor 3 of the process; descriptors are
// passed on 4, before the line that speaks of them.

/** Descriptors of a sandbox's bound UDP socket and listening TCP socket. */
export interface ServerSockets {
  readonly udp: number;
  readonly tcp: number;
}

export type Change =
  | { readonly op: 'addEndpoint'; readonly endpoint: DnsEndpoint }
  | { readonly op: 'removeEndpoint'; readonly endpointId: Id }
  /** `namespace`: the sockets of that namespace were passed. */
  | { readonly op: 'setView'; readonly view: DnsView; readonly namespace?: string }
  | { readonly op: 'removeView'; readonly sandboxId: Id }
  | { readonly op: 'setHostServers'; readonly servers: readonly Ip[] }
  /** Everything was told: ends the resolvers listening on these sockets, then serves. */
  | { readonly op: 'begin'; readonly predecessors: readonly string[] };

export type ToResolver = Change & { readonly seq: number };

/** The change is in force, or failed. */
export interface FromResolver {
  readonly seq: number;
  readonly error?: string;
}

/** What the process starts with, as the JSON of its only argument. */
export interface ResolverProcessOptions {
  /** Where to offer the sockets to a later daemon; absent: the process ends with its daemon. */
  readonly handoverFolder?: string;
  /** While no daemon tells: the file that names the host's servers; absent: they stay. */
  readonly resolvConf?: string;
  readonly upstreamPort?: number;
  readonly upstreamTimeoutMs?: number;
}

// What a later daemon says to a resolver that an earlier one left: one of these words and a newline, on a connection to
// its socket. Other versions speak it too, so it must not change.

/** Answered by the next sandboxes, each with its two sockets (UDP, TCP), as a line of {@link Offer}. */
export const MORE = 'more';
/** It stops reading the sockets, answers a line, finishes what it has begun and ends. */
export const END = 'end';

export interface Offer {
  readonly sandboxes: readonly { readonly sandboxId: Id; readonly namespace: string }[];
}

/** Two descriptors each, of which a message carries 253. */
export const SANDBOXES_PER_OFFER = 100;
export const SOCKET_NAME = /^resolver-(\d+)\.sock$/;

export function socketName(pid: number): string {
  return `resolver-${pid}.sock`;
}
