import { FairwayError, familyOf, type Id, type Ip, type IpFamily, parseIp } from '../../base/index.ts';
import {
  allowLingering,
  holdPort,
  isErrno,
  localPort,
  type NetnsHandle,
  openFilesLimit,
  readSysctl,
  type TransportProtocol,
} from '../../kernel/index.ts';
import type { HeldPorts, PortAllocator, PortRequest, Protocol, PublishedPort } from '../../model/index.ts';
import { type EphemeralPorts, portsFrom, readEphemeralPorts } from './ephemeral.ts';
import { allAllocated, alreadyAllocated, bindFailed, type HostPort, outOfDescriptors } from './errors.ts';
import { PortTable } from './port-table.ts';

/** A bound socket with one owner; the kernel's `OwnedFd`. */
export interface BoundSocket {
  readonly fd: number;
  readonly closed: boolean;
  close(): void;
  /** Hands the descriptor to a new owner. */
  release(): number;
}

export interface HostPortDeps {
  readonly holdPort: (held: {
    readonly protocol: TransportProtocol;
    readonly ip: Ip;
    readonly port: number;
    readonly v6only?: boolean;
    /** TCP: although connections linger in TIME_WAIT, as a relay leaves them. */
    readonly overLingering?: boolean;
  }) => BoundSocket;
  /** Whether the descriptor still is a socket on that port. */
  readonly isBound: (fd: number, port: number) => boolean;
  /** Called for a TCP socket that will be listened on, so that `overLingering` works afterwards. */
  readonly allowLingering: (fd: number) => void;
  readonly ephemeralPorts: () => EphemeralPorts;
  /** The soft limit of open files. */
  readonly descriptorLimit: () => number;
}

/** The kernel's sockets, of the namespace `ns` or of the one the thread is in. */
export function hostPortDeps(ns?: NetnsHandle): HostPortDeps {
  return {
    holdPort: (held) => holdPort({ ...held, netns: ns }),
    isBound: (fd, port) => {
      try {
        return localPort(fd) === port;
      } catch {
        return false;
      }
    },
    allowLingering,
    ephemeralPorts: () => readEphemeralPorts((key) => readSysctl(key, ns)),
    descriptorLimit: () => openFilesLimit().soft,
  };
}

const ANY_V4 = parseIp('0.0.0.0');
const ANY_V6 = parseIp('::');
const WILDCARDS: readonly Ip[] = [ANY_V4, ANY_V6];

/** A port that is held: one socket, which may stand for the wildcards of both families. */
interface Holding {
  readonly protocol: Protocol;
  readonly ips: readonly Ip[];
  readonly port: number;
  readonly containerPort: number;
  readonly socket: BoundSocket;
}

/**
 * {@link PortAllocator} by bound sockets. A mapping without an address is one dual-stack socket for `0.0.0.0` and `::`,
 * whatever the endpoint's families are: what nft cannot translate is relayed, and the relay listens on that very socket
 * ({@link takeSocket}).
 */
export class HostPortAllocator implements PortAllocator {
  readonly #deps: HostPortDeps;
  readonly #table = new PortTable<Holding>();
  readonly #next = new Map<Protocol, number>();
  #descriptorLimit: number | undefined;

  constructor(deps: HostPortDeps) {
    this.#deps = deps;
  }

  hold(_owner: Id, requests: readonly PortRequest[]): HeldPorts {
    const holdings: Holding[] = [];
    try {
      for (const request of requests) holdings.push(this.#holdOne(request));
    } catch (error) {
      this.#release(holdings);
      throw error;
    }
    return this.#heldPorts(holdings);
  }

  restore(_owner: Id, published: readonly PublishedPort[]): HeldPorts {
    const { holdings, lost } = this.#rebind(joinWildcards(published));
    return this.#heldPorts(holdings, lost);
  }

  /**
   * Gives the socket of a held port to whoever will listen on it: a descriptor that is theirs to close, before the port is
   * released. `family` is that of the socket. Asked again, it binds another, which works once the first is closed.
   * Undefined when the port is not held, or its socket is still in use.
   */
  takeSocket(
    port: Pick<PublishedPort, 'protocol' | 'hostIp' | 'hostPort'>,
  ): { readonly fd: number; readonly family: IpFamily } | undefined {
    const held = this.#table.find(port.protocol, port.hostIp, port.hostPort);
    if (held === undefined) return undefined;
    const family = held.ips.some((ip) => familyOf(ip) === 6) ? 6 : 4;
    try {
      const socket = held.socket.closed ? this.#open(held).socket : held.socket;
      if (port.protocol === 'tcp') this.#deps.allowLingering(socket.fd);
      return { fd: socket.release(), family };
    } catch (error) {
      if (error instanceof FairwayError) return undefined;
      throw error;
    }
  }

  #holdOne(request: PortRequest): Holding {
    const { protocol, containerPort, hostIp, hostPorts } = request;
    const ips = hostIp === undefined ? WILDCARDS : [hostIp];
    if (hostPorts !== undefined && hostPorts.first === hostPorts.last) {
      return this.#bind({ protocol, containerPort, ips, port: hostPorts.first });
    }
    const range = hostPorts === undefined ? this.#deps.ephemeralPorts() : { ...hostPorts, reserved: [] };
    const start = hostPorts === undefined ? (this.#next.get(protocol) ?? range.first) : range.first;
    let refusal: FairwayError = allAllocated();
    for (const port of portsFrom(range, start)) {
      try {
        const holding = this.#bind({ protocol, containerPort, ips, port });
        if (hostPorts === undefined) this.#next.set(protocol, port + 1);
        return holding;
      } catch (error) {
        if (!isTaken(error)) throw error;
        refusal = error;
      }
    }
    throw hostPorts === undefined ? allAllocated() : refusal;
  }

  #bind(wanted: Omit<Holding, 'socket'>): Holding {
    const { protocol, containerPort, port } = wanted;
    const busy = wanted.ips.find((ip) => !this.#table.isFree(protocol, ip, port));
    if (busy !== undefined) throw alreadyAllocated({ protocol, ip: busy, port });
    const { ips, socket } = this.#open(wanted);
    const holding: Holding = { protocol, ips, port, containerPort, socket };
    this.#table.add(holding);
    return holding;
  }

  #open({ protocol, ips, port }: Pick<Holding, 'protocol' | 'ips' | 'port'>): Pick<Holding, 'socket' | 'ips'> {
    const [first = ANY_V4] = ips;
    const wanted = { protocol, ip: first, port };
    const dual = ips.length > 1;
    try {
      const held = { protocol, ip: dual ? ANY_V6 : first, port, v6only: !dual };
      return { socket: this.#checked(wanted, () => this.#holdEvenLingering(held)), ips };
    } catch (error) {
      if (error instanceof FairwayError && error.code === 'too_many_ports') throw error;
      // A kernel without IPv6.
      if (dual && isErrno(error, 'EAFNOSUPPORT')) return this.#open({ protocol, ips: [first], port });
      if (isErrno(error, 'EMFILE', 'ENFILE')) throw outOfDescriptors(wanted, this.#limit(), error);
      throw bindFailed(wanted, error);
    }
  }

  #holdEvenLingering(held: Parameters<HostPortDeps['holdPort']>[0]): BoundSocket {
    try {
      return this.#deps.holdPort(held);
    } catch (error) {
      if (held.protocol !== 'tcp' || !isErrno(error, 'EADDRINUSE')) throw error;
      return this.#deps.holdPort({ ...held, overLingering: true });
    }
  }

  /**
   * Linux hands out the lowest free number, so the number tells how many there are; the last ones are kept for accepting
   * API clients, which could otherwise not even ask for a port to be released.
   */
  #checked(wanted: HostPort, open: () => BoundSocket): BoundSocket {
    const socket = open();
    const limit = this.#limit();
    if (socket.fd < limit - Math.min(512, limit / 4)) return socket;
    socket.close();
    throw outOfDescriptors(wanted, limit);
  }

  #limit(): number {
    this.#descriptorLimit ??= this.#deps.descriptorLimit();
    return this.#descriptorLimit;
  }

  /** `mappings`: the ports of one socket each. */
  #rebind(mappings: readonly Mapping[]): { readonly holdings: Holding[]; readonly lost: readonly Mapping[] } {
    const holdings: Holding[] = [];
    const lost: Mapping[] = [];
    for (const ports of mappings) {
      const [first] = ports;
      if (first === undefined) continue;
      const ips = ports.length === 1 ? [first.hostIp] : WILDCARDS;
      try {
        holdings.push(this.#bind({ ...first, ips, port: first.hostPort }));
      } catch (error) {
        if (!(error instanceof FairwayError)) throw error;
        lost.push(ports);
      }
    }
    return { holdings, lost };
  }

  /** A socket that was given away is its new owner's matter. */
  #isHeld({ socket, port }: Holding): boolean {
    return socket.closed || this.#deps.isBound(socket.fd, port);
  }

  #heldPorts(holdings: Holding[], lost: readonly Mapping[] = []): HeldPorts {
    let released = false;
    let missing = lost;
    const astray = (): readonly Holding[] => holdings.filter((holding) => !this.#isHeld(holding));
    return {
      get published() {
        return holdings.flatMap(publishedBy);
      },
      lost: lost.flat(),
      unheld: () => [...missing.flat(), ...astray().flatMap(publishedBy)],
      reclaim: () => {
        for (const holding of astray()) {
          holdings.splice(holdings.indexOf(holding), 1);
          // The number may be another file's by now, so it is not closed.
          holding.socket.release();
          this.#release([holding]);
          missing = [...missing, publishedBy(holding)];
        }
        const again = this.#rebind(missing);
        holdings.push(...again.holdings);
        missing = again.lost;
        return missing.flat();
      },
      release: () => {
        if (!released) this.#release(holdings);
        released = true;
      },
    };
  }

  #release(holdings: readonly Holding[]): void {
    for (const holding of holdings) {
      this.#table.remove(holding);
      if (!holding.socket.closed) holding.socket.close();
    }
  }
}

/** What one socket stands for. */
type Mapping = readonly PublishedPort[];

function publishedBy({ protocol, containerPort, ips, port }: Holding): Mapping {
  return ips.map((hostIp) => ({ protocol, containerPort, hostIp, hostPort: port }));
}

/** Another port of the range may do. */
function isTaken(error: unknown): error is FairwayError {
  if (!(error instanceof FairwayError)) return false;
  return error.code === 'port_allocated' || (error.code === 'port_bind_failed' && isErrno(error.cause, 'EADDRINUSE'));
}

/** Puts the two wildcards of one mapping together, as they were held; leaves out what holds no port of the host. */
function joinWildcards(published: readonly PublishedPort[]): PublishedPort[][] {
  const groups: PublishedPort[][] = [];
  const open = new Map<string, PublishedPort[]>();
  for (const port of published) {
    if (port.hostPort === 0) continue;
    const key = `${port.protocol} ${port.hostPort} ${port.containerPort}`;
    const other = open.get(key)?.[0];
    const wildcard = port.hostIp === ANY_V4 || port.hostIp === ANY_V6;
    if (wildcard && other !== undefined && familyOf(other.hostIp) !== familyOf(port.hostIp)) {
      open.get(key)?.push(port);
      open.delete(key);
      continue;
    }
    const group = [port];
    groups.push(group);
    if (wildcard) open.set(key, group);
  }
  return groups;
}
