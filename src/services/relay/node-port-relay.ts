import { type Clock, isUnspecifiedIp, type Log, messageOf, runAll, silentLog, systemClock } from '../../base/index.ts';
import type { PortRelay, PublishedPort, RelayedPort } from '../../model/index.ts';
import { bindFailed } from '../ports/index.ts';
import type { BoundDescriptor, RunningRelay, Source } from './endpoints.ts';
import { openTcpRelay } from './tcp-relay.ts';
import { openUdpRelay } from './udp-relay.ts';

const UDP_IDLE_MS = 90_000;
const MAX_UDP_CLIENTS = 256;

export interface NodePortRelayDeps {
  /** Gives up the socket that holds a port; the port allocator. Without it, and for ports not held, one is bound here. */
  readonly sockets?: { takeSocket(port: PublishedPort): BoundDescriptor | undefined };
  readonly clock?: Clock;
  readonly log?: Log;
}

/** {@link PortRelay} on Node's sockets: TCP with half-close and backpressure, UDP with a session for each client. */
export class NodePortRelay implements PortRelay {
  readonly #sockets: NodePortRelayDeps['sockets'];
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(deps: NodePortRelayDeps = {}) {
    this.#sockets = deps.sockets;
    this.#clock = deps.clock ?? systemClock;
    this.#log = deps.log ?? silentLog;
  }

  /** All or nothing. The returned function closes; it is repeatable. */
  async open(ports: readonly RelayedPort[]): Promise<() => Promise<void>> {
    const running: RunningRelay[] = [];
    const dual = new Set<string>();
    const closeAll = (): Promise<void> =>
      runAll(
        running.map((relay) => () => relay.close()),
        'cannot close relays',
      );
    try {
      for (const port of ports) {
        const relay = await this.#openOne(port, dual);
        if (relay !== undefined) running.push(relay);
      }
    } catch (error) {
      await closeAll();
      throw error;
    }
    return closeAll;
  }

  /** `dual`: what is served by a socket of both families, so that the other wildcard of the mapping needs none. */
  async #openOne({ published, target }: RelayedPort, dual: Set<string>): Promise<RunningRelay | undefined> {
    const { protocol, hostIp, hostPort } = published;
    const key = `${protocol} ${hostPort}`;
    if (isUnspecifiedIp(hostIp) && dual.has(key)) return undefined;
    if (protocol === 'sctp') {
      this.#log.warn({ hostIp, hostPort }, 'SCTP is not relayed between IPv4 and IPv6');
      return undefined;
    }
    const taken = this.#sockets?.takeSocket(published);
    if (taken?.family === 6 && isUnspecifiedIp(hostIp)) dual.add(key);
    const source: Source = taken ?? { host: hostIp, port: hostPort };
    try {
      if (protocol === 'tcp') return await openTcpRelay(source, target);
      return await openUdpRelay(source, target, {
        clock: this.#clock,
        idleMs: UDP_IDLE_MS,
        maxClients: MAX_UDP_CLIENTS,
      });
    } catch (error) {
      this.#log.warn({ hostIp, hostPort, error: messageOf(error) }, 'cannot relay a port');
      throw bindFailed({ protocol, ip: hostIp, port: hostPort }, error);
    }
  }
}
