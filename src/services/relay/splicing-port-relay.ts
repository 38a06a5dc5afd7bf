import { type Clock, isUnspecifiedIp, type Log, messageOf, runAll, silentLog, systemClock } from '../../base/index.ts';
import { listenOn, OwnedFd, openTcpListenerIn } from '../../kernel/index.ts';
import type { PortRelay, PublishedPort, RelayedPort } from '../../model/index.ts';
import { bindFailed } from '../ports/index.ts';
import type { BoundDescriptor, RunningRelay, Source, Target } from './endpoints.ts';
import { TcpRelay } from './tcp-relay.ts';
import { openUdpRelay } from './udp-relay.ts';

const UDP_IDLE_MS = 90_000;
const MAX_UDP_CLIENTS = 256;

export interface SplicingPortRelayDeps {
  /** Gives up the socket that holds a port; the port allocator. Without it, and for ports not held, one is bound here. */
  readonly sockets?: { takeSocket(port: PublishedPort): BoundDescriptor | undefined };
  readonly clock?: Clock;
  readonly log?: Log;
}

/** What was opened by one call, to be closed together. */
interface Opened {
  /** Of the TCP relay. */
  readonly listeners: number[];
  readonly others: RunningRelay[];
  /** What is served by a socket of both families, so that the other wildcard of the mapping needs none. */
  readonly dual: Set<string>;
}

/** {@link PortRelay}: TCP in a thread and inside the kernel ({@link TcpRelay}), UDP on Node's sockets with a session for each client. */
export class SplicingPortRelay implements PortRelay {
  readonly #sockets: SplicingPortRelayDeps['sockets'];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #tcp: TcpRelay;

  constructor(deps: SplicingPortRelayDeps = {}) {
    this.#sockets = deps.sockets;
    this.#clock = deps.clock ?? systemClock;
    this.#log = deps.log ?? silentLog;
    this.#tcp = new TcpRelay(this.#log);
  }

  /** All or nothing. The returned function closes; it is repeatable. */
  async open(ports: readonly RelayedPort[]): Promise<() => Promise<void>> {
    const opened: Opened = { listeners: [], others: [], dual: new Set() };
    try {
      for (const port of ports) await this.#openOne(port, opened);
    } catch (error) {
      await this.#close(opened);
      throw error;
    }
    return () => this.#close(opened);
  }

  async #close({ listeners, others }: Opened): Promise<void> {
    await runAll(
      [() => this.#tcp.close(listeners), ...others.map((relay) => () => relay.close())],
      'cannot close relays',
    );
  }

  async #openOne({ published, target }: RelayedPort, { listeners, others, dual }: Opened): Promise<void> {
    const { protocol, hostIp, hostPort } = published;
    const key = `${protocol} ${hostPort}`;
    if (isUnspecifiedIp(hostIp) && dual.has(key)) return;
    if (protocol === 'sctp') {
      this.#log.warn({ hostIp, hostPort }, 'SCTP is not relayed between IPv4 and IPv6');
      return;
    }
    const taken = this.#sockets?.takeSocket(published);
    if (taken?.family === 6 && isUnspecifiedIp(hostIp)) dual.add(key);
    const source: Source = taken ?? { host: hostIp, port: hostPort };
    try {
      if (protocol === 'tcp') listeners.push(this.#openTcp(source, target));
      else others.push(await this.#openUdp(source, target));
    } catch (error) {
      this.#log.warn({ hostIp, hostPort, error: messageOf(error) }, 'cannot relay a port');
      throw bindFailed({ protocol, ip: hostIp, port: hostPort }, error);
    }
  }

  #openTcp(source: Source, target: Target): number {
    const fd = 'fd' in source ? source.fd : openTcpListenerIn(undefined, source.host, source.port);
    const socket = new OwnedFd(fd, 'relayed port');
    try {
      if ('fd' in source) listenOn(fd);
      return this.#tcp.serve(socket, target);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  #openUdp(source: Source, target: Target): Promise<RunningRelay> {
    return openUdpRelay(source, target, { clock: this.#clock, idleMs: UDP_IDLE_MS, maxClients: MAX_UDP_CLIENTS });
  }
}
