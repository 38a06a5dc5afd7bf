import { NETLINK_NETFILTER } from '../ffi/index.ts';
import { type Message, MulticastSocket, readAttributes, readMessages } from '../netlink/index.ts';
import { type NetnsHandle, runInNetns } from '../netns/index.ts';
import { ownNetfilterSockets } from './own-sockets.ts';

/** NFNLGRP_NFTABLES */
const GROUP = 7;
/** NFNL_SUBSYS_NFTABLES, the upper byte of a message's type. */
const SUBSYSTEM = 10;
/** NFT_MSG_NEWGEN: the end of a transaction. */
const NEWGEN = 15;
/** struct nfgenmsg */
const HEADER = 4;
/** NFTA_TABLE_NAME, and the table of everything else: always the first attribute. */
const NFTA_TABLE = 1;
/** NFPROTO_* */
const FAMILIES: Readonly<Record<number, string>> = {
  1: 'inet',
  2: 'ip',
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
  10: 'ip6',
};
/** Ten thousand elements of our own in one transaction. */
const QUEUE_BYTES = 8 << 20;

export type NftChange =
  /** Somebody else made, changed or deleted something of a table: `inet filter`. */
  | { readonly kind: 'table'; readonly table: string }
  /** The kernel dropped messages because we were slow. */
  | { readonly kind: 'overrun' };

export interface NftMonitorOptions {
  /** Default: the namespace the thread is in. */
  readonly netns?: NetnsHandle | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

/**
 * Hears of what others change in the packet filter of one namespace; transactions of this process are passed over. The
 * kernel names the netlink socket by which a change came, and ours are found among our descriptors.
 */
export class NftMonitor implements Disposable {
  readonly #socket: MulticastSocket;
  readonly #netns: NetnsHandle | undefined;
  readonly #own = new Set<number>();

  private constructor(options: NftMonitorOptions, listener: (change: NftChange) => void) {
    const { netns, onError = () => {} } = options;
    this.#netns = netns;
    this.#socket = MulticastSocket.open(
      { protocol: NETLINK_NETFILTER, groups: [GROUP], queueBytes: QUEUE_BYTES, netns },
      {
        datagram: (bytes) => {
          for (const table of this.#foreignTables(readMessages(bytes))) listener({ kind: 'table', table });
        },
        overrun: () => listener({ kind: 'overrun' }),
        error: onError,
      },
    );
  }

  static open(options: NftMonitorOptions, listener: (change: NftChange) => void): NftMonitor {
    return new NftMonitor(options, listener);
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #foreignTables(messages: readonly Message[]): ReadonlySet<string> {
    const tables = new Set<string>();
    for (const message of messages) {
      const table = tableOf(message);
      if (table !== undefined && !this.#isOwn(message.portId)) tables.add(table);
    }
    return tables;
  }

  /** libnftables may open its socket anew at any time, so an unknown one is looked for. */
  #isOwn(portId: number): boolean {
    if (this.#own.has(portId)) return true;
    const sockets = this.#netns === undefined ? ownNetfilterSockets() : runInNetns(this.#netns, ownNetfilterSockets);
    for (const socket of sockets) this.#own.add(socket.portId);
    return this.#own.has(portId);
  }
}

/** `inet filter`; undefined for what is not about a table. */
export function tableOf({ type, body }: Pick<Message, 'type' | 'body'>): string | undefined {
  if (type >> 8 !== SUBSYSTEM || (type & 0xff) === NEWGEN || body.length < HEADER) return undefined;
  const family = FAMILIES[body[0] ?? 0];
  const name = readAttributes(body, HEADER).text(NFTA_TABLE);
  return family === undefined || name === undefined ? undefined : `${family} ${name}`;
}
