import type { IpFamily } from '../../base/index.ts';
import { NETLINK_ROUTE } from '../ffi/index.ts';
import type { NetnsHandle } from '../netns/index.ts';
import { type Address, decodeAddress } from './addresses.ts';
import { uapi as c, familyOfAf, type Message, MulticastSocket, readAttributes, readMessages } from './core/index.ts';
import { decodeFdb, type FdbEntry } from './fdb.ts';
import { decodeLink, type Link } from './link-decode.ts';
import { decodeNeighbour, type Neighbour } from './neighbours.ts';
import { decodeRoute, type Route } from './routes.ts';

export type MonitorGroup = 'links' | 'addresses' | 'routes' | 'neighbours' | 'settings';

export type RtnlEvent =
  | { readonly kind: 'link'; readonly removed: boolean; readonly link: Link }
  | { readonly kind: 'address'; readonly removed: boolean; readonly address: Address }
  | { readonly kind: 'route'; readonly removed: boolean; readonly route: Route }
  | { readonly kind: 'neighbour'; readonly removed: boolean; readonly neighbour: Neighbour }
  /** Of bridges and VXLAN links; told to those who ask for neighbours. */
  | { readonly kind: 'forwarding'; readonly removed: boolean; readonly entry: FdbEntry }
  /** Sysctls of all links together (`net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`). */
  | { readonly kind: 'settings'; readonly family: IpFamily; readonly forwarding: boolean | undefined }
  /** The kernel dropped events because we were slow: list again. */
  | { readonly kind: 'overrun' };

export interface MonitorOptions {
  readonly groups: readonly MonitorGroup[];
  /** Default: the namespace the thread is in. */
  readonly netns?: NetnsHandle | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

const GROUPS: Readonly<Record<MonitorGroup, readonly number[]>> = {
  links: [c.RTNLGRP_LINK],
  addresses: [c.RTNLGRP_IPV4_IFADDR, c.RTNLGRP_IPV6_IFADDR],
  routes: [c.RTNLGRP_IPV4_ROUTE, c.RTNLGRP_IPV6_ROUTE],
  neighbours: [c.RTNLGRP_NEIGH],
  settings: [c.RTNLGRP_IPV4_NETCONF, c.RTNLGRP_IPV6_NETCONF],
};

/** struct netconfmsg: the family and its padding. */
const NETCONFMSG_LENGTH = 4;

const QUEUE_BYTES = 1 << 20;

/** Hears of changes in one namespace. Main thread only, see {@link MulticastSocket}. */
export class RtnlMonitor implements Disposable {
  readonly #socket: MulticastSocket;
  readonly #listener: (event: RtnlEvent) => void;
  readonly #onError: (error: unknown) => void;

  private constructor(options: MonitorOptions, listener: (event: RtnlEvent) => void) {
    this.#listener = listener;
    this.#onError = options.onError ?? (() => {});
    const groups = options.groups.flatMap((name) => GROUPS[name]);
    this.#socket = MulticastSocket.open(
      { protocol: NETLINK_ROUTE, groups, queueBytes: QUEUE_BYTES, netns: options.netns },
      {
        datagram: (bytes) => this.#read(bytes),
        overrun: () => this.#tell({ kind: 'overrun' }),
        error: this.#onError,
      },
    );
  }

  static open(options: MonitorOptions, listener: (event: RtnlEvent) => void): RtnlMonitor {
    return new RtnlMonitor(options, listener);
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Everything is decoded before anybody hears of it: the bytes do not last. */
  #read(bytes: Uint8Array): void {
    const events = readMessages(bytes).flatMap((message) => eventOf(message) ?? []);
    for (const event of events) this.#tell(event);
  }

  #tell(event: RtnlEvent): void {
    try {
      this.#listener(event);
    } catch (error) {
      this.#onError(error);
    }
  }
}

export function eventOf(message: Message): RtnlEvent | undefined {
  switch (message.type) {
    case c.RTM_NEWLINK:
    case c.RTM_DELLINK:
      // Messages of the bridge family speak of a port, not of the link: a port that leaves is "deleted" there.
      if (message.body[0] !== 0) return undefined;
      return { kind: 'link', removed: message.type === c.RTM_DELLINK, link: decodeLink(message) };
    case c.RTM_NEWADDR:
    case c.RTM_DELADDR: {
      const address = decodeAddress(message);
      return address && { kind: 'address', removed: message.type === c.RTM_DELADDR, address };
    }
    case c.RTM_NEWROUTE:
    case c.RTM_DELROUTE: {
      const route = decodeRoute(message);
      return route && { kind: 'route', removed: message.type === c.RTM_DELROUTE, route };
    }
    case c.RTM_NEWNEIGH:
    case c.RTM_DELNEIGH: {
      const removed = message.type === c.RTM_DELNEIGH;
      const neighbour = decodeNeighbour(message);
      if (neighbour !== undefined) return { kind: 'neighbour', removed, neighbour };
      const entry = decodeFdb(message);
      return entry && { kind: 'forwarding', removed, entry };
    }
    case c.RTM_NEWNETCONF:
      return settingsOf(message);
    default:
      return undefined;
  }
}

function settingsOf({ body }: Message): RtnlEvent | undefined {
  const family = familyOfAf(body[0] ?? 0);
  const attributes = readAttributes(body, NETCONFMSG_LENGTH);
  if (family === undefined || attributes.i32(c.NETCONFA_IFINDEX) !== c.NETCONFA_IFINDEX_ALL) return undefined;
  const forwarding = attributes.i32(c.NETCONFA_FORWARDING);
  return { kind: 'settings', family, forwarding: forwarding === undefined ? undefined : forwarding !== 0 };
}
