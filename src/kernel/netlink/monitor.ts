import type { IpFamily } from '../../base/index.ts';
import {
  AF_NETLINK,
  bindSocket,
  isErrno,
  MSG_TRUNC,
  NETLINK_ADD_MEMBERSHIP,
  NETLINK_ROUTE,
  netlinkAddress,
  type OwnedFd,
  openSocket,
  receiveDatagram,
  SO_RCVBUF,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  setSocketOption,
  signalOnArrival,
} from '../ffi/index.ts';
import { type NetnsHandle, runInNetns } from '../netns/index.ts';
import { type Address, decodeAddress } from './addresses.ts';
import { uapi as c, familyOfAf, type Message, readAttributes, readMessages } from './core/index.ts';
import { decodeLink, type Link } from './link-decode.ts';
import { decodeNeighbour, type Neighbour } from './neighbours.ts';
import { decodeRoute, type Route } from './routes.ts';

export type MonitorGroup = 'links' | 'addresses' | 'routes' | 'neighbours' | 'settings';

export type RtnlEvent =
  | { readonly kind: 'link'; readonly removed: boolean; readonly link: Link }
  | { readonly kind: 'address'; readonly removed: boolean; readonly address: Address }
  | { readonly kind: 'route'; readonly removed: boolean; readonly route: Route }
  | { readonly kind: 'neighbour'; readonly removed: boolean; readonly neighbour: Neighbour }
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

/**
 * Hears of changes in one namespace. Node can wait for sockets of families it knows only, so the kernel sends SIGURG when
 * something arrives and the handler reads until nothing is left: no thread waits and nobody polls. Main thread only, as
 * worker threads hear no signals.
 */
export class RtnlMonitor implements Disposable {
  static readonly #open = new Set<RtnlMonitor>();
  static #buffer: Uint8Array | undefined;
  readonly #fd: OwnedFd;
  readonly #listener: (event: RtnlEvent) => void;
  readonly #onError: (error: unknown) => void;

  private constructor(fd: OwnedFd, listener: (event: RtnlEvent) => void, onError: (error: unknown) => void) {
    this.#fd = fd;
    this.#listener = listener;
    this.#onError = onError;
  }

  static open(options: MonitorOptions, listener: (event: RtnlEvent) => void): RtnlMonitor {
    const open = (): OwnedFd => openSocket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
    const fd = options.netns === undefined ? open() : runInNetns(options.netns, open);
    const monitor = new RtnlMonitor(fd, listener, options.onError ?? (() => {}));
    if (RtnlMonitor.#open.size === 0) process.on('SIGURG', RtnlMonitor.#readAll);
    RtnlMonitor.#open.add(monitor);
    try {
      setSocketOption(fd.fd, SOL_SOCKET, SO_RCVBUF, QUEUE_BYTES);
      bindSocket(fd.fd, netlinkAddress());
      signalOnArrival(fd.fd);
      for (const group of options.groups.flatMap((name) => GROUPS[name])) {
        setSocketOption(fd.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
      }
    } catch (error) {
      monitor.close();
      throw error;
    }
    return monitor;
  }

  close(): void {
    this.#fd.close();
    RtnlMonitor.#open.delete(this);
    if (RtnlMonitor.#open.size === 0) process.off('SIGURG', RtnlMonitor.#readAll);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  static readonly #readAll = (): void => {
    for (const monitor of [...RtnlMonitor.#open]) monitor.#read();
  };

  #read(): void {
    while (!this.#fd.closed) {
      const events = this.#receive();
      if (events === undefined) return;
      for (const event of events) this.#tell(event);
    }
  }

  /** Everything is decoded before anybody hears of it: a listener may use the buffer's owner again. */
  #receive(): RtnlEvent[] | undefined {
    RtnlMonitor.#buffer ??= new Uint8Array(64 * 1024);
    const buffer = RtnlMonitor.#buffer;
    try {
      const length = receiveDatagram(this.#fd.fd, buffer, MSG_TRUNC);
      if (length === undefined) return undefined;
      if (length > buffer.length) return [{ kind: 'overrun' }];
      return readMessages(buffer.subarray(0, length)).flatMap((message) => eventOf(message) ?? []);
    } catch (error) {
      if (isErrno(error, 'ENOBUFS')) return [{ kind: 'overrun' }];
      this.#onError(error);
      return undefined;
    }
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
      const neighbour = decodeNeighbour(message);
      return neighbour && { kind: 'neighbour', removed: message.type === c.RTM_DELNEIGH, neighbour };
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
