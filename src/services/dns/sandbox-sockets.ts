import { closeSync } from 'node:fs';
import { parseIp } from '../../base/index.ts';
import {
  isErrno,
  localPort,
  type NetnsHandle,
  Nft,
  NftError,
  netnsInode,
  openNetns,
  openTcpListenerIn,
  openUdpSocketIn,
} from '../../kernel/index.ts';
import type { ServerSockets } from './serving/index.ts';

/** What the resolver needs of a sandbox's network namespace. Descriptors belong to whoever gets them. */
export interface SandboxSockets {
  /** Equal exactly while the same namespace is behind the path. */
  identify(sandboxPath: string): string;
  /**
   * Opens the server's sockets and leads port 53 of 127.0.0.11 to them, replacing what an earlier daemon left. There is
   * no undo: with the sockets closed nobody answers, and the rules end with the namespace.
   */
  openServer(sandboxPath: string): ServerSockets;
}

const RESOLVER_IP = parseIp('127.0.0.11');
const TABLE = 'fairway_dns';
/** While one resolver dies and the next one starts, some thousand queries wait. Memory is taken by what waits alone. */
const WAITING_BYTES = 2 << 20;

/**
 * The sockets take high ports, so that an application in the sandbox can bind 0.0.0.0:53. Outgoing packets to port 53 of
 * 127.0.0.11 are rewritten on their way out and answers likewise, one by one and untracked: conntrack would see the
 * second half of a connection it never saw begin.
 */
export class NetnsSandboxSockets implements SandboxSockets {
  identify(sandboxPath: string): string {
    return netnsInode(sandboxPath);
  }

  openServer(sandboxPath: string): ServerSockets {
    using ns = openNetns(sandboxPath);
    using nft = Nft.open(ns);
    const led = ledPorts(nft);
    if (led !== undefined && led.udp > 0 && led.tcp > 0) {
      try {
        return openServerSockets(ns, led);
      } catch (error) {
        // Somebody has taken a port of our predecessor's.
        if (!isErrno(error, 'EADDRINUSE')) throw error;
      }
    }
    const sockets = openServerSockets(ns, { udp: 0, tcp: 0 });
    try {
      lead(nft, { udp: localPort(sockets.udp), tcp: localPort(sockets.tcp) }, led !== undefined);
      return sockets;
    } catch (error) {
      closeSync(sockets.udp);
      closeSync(sockets.tcp);
      throw error;
    }
  }
}

interface ServerPorts {
  readonly udp: number;
  readonly tcp: number;
}

function openServerSockets(ns: NetnsHandle, ports: ServerPorts): ServerSockets {
  const udp = openUdpSocketIn(ns, RESOLVER_IP, ports.udp, { waitingBytes: WAITING_BYTES });
  try {
    return { udp, tcp: openTcpListenerIn(ns, RESOLVER_IP, ports.tcp) };
  } catch (error) {
    closeSync(udp);
    throw error;
  }
}

/** Where an earlier daemon led port 53 to; 0: nowhere, though there is a table. Undefined: no table. */
function ledPorts(nft: Nft): ServerPorts | undefined {
  try {
    const table = nft.run(`list table ip ${TABLE}`);
    const port = (protocol: string): number =>
      Number(new RegExp(`${protocol} dport 53 ${protocol} dport set (\\d+)`).exec(table)?.[1] ?? 0);
    return { udp: port('udp'), tcp: port('tcp') };
  } catch (error) {
    if (error instanceof NftError && error.missing) return undefined;
    throw error;
  }
}

/**
 * A transaction that deletes something makes the closing of the context wait for an RCU grace period (7 to 30 ms), so
 * nothing is deleted unless it must be.
 */
function lead(nft: Nft, ports: ServerPorts, replace: boolean): void {
  const rules = (['udp', 'tcp'] as const).flatMap((protocol) => [
    `ip daddr ${RESOLVER_IP} ${protocol} dport 53 ${protocol} dport set ${ports[protocol]} notrack`,
    `ip saddr ${RESOLVER_IP} ${protocol} sport ${ports[protocol]} ${protocol} sport set 53 notrack`,
  ]);
  const script = [
    ...(replace ? [`delete table ip ${TABLE}`] : []),
    `add table ip ${TABLE}`,
    `add chain ip ${TABLE} output { type filter hook output priority raw; policy accept; }`,
    ...rules.map((rule) => `add rule ip ${TABLE} output ${rule}`),
  ];
  nft.run(script.join('\n'));
}
