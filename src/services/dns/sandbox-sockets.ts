import { closeSync } from 'node:fs';
import { type Ip, parseIp } from '../../base/index.ts';
import {
  holdPort,
  isErrno,
  localPort,
  Nft,
  netnsExists,
  netnsInode,
  openNetns,
  openTcpListenerIn,
  openUdpSocketIn,
} from '../../kernel/index.ts';
import type { ServerSockets, Transport } from './thread/index.ts';

/** What the resolver needs of a sandbox's network namespace. Descriptors belong to whoever gets them. */
export interface SandboxSockets {
  /** Equal exactly while the same namespace is behind the path. */
  identify(sandboxPath: string): string;
  /** Opens the server's sockets and leads port 53 of 127.0.0.11 to them, replacing what an earlier daemon left. */
  openServer(sandboxPath: string): ServerSockets;
  /** Undoes the leading; repeatable, also when the namespace is gone. */
  closeServer(sandboxPath: string): void;
  /** A fresh socket, bound to a port the kernel picks, to ask other servers with. */
  openClient(sandboxPath: string, transport: Transport, family: 4 | 6): number;
}

const RESOLVER_IP = parseIp('127.0.0.11');
const ANY: Readonly<Record<4 | 6, Ip>> = { 4: parseIp('0.0.0.0'), 6: parseIp('::') };
const TABLE = 'fairway_dns';

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
    using undo = new DisposableStack();
    const udp = undo.adopt(openUdpSocketIn(ns, RESOLVER_IP, 0), closeSync);
    const tcp = undo.adopt(openTcpListenerIn(ns, RESOLVER_IP, 0), closeSync);
    using nft = Nft.open(ns);
    nft.run(redirectScript(localPort(udp), localPort(tcp)));
    undo.move();
    return { udp, tcp };
  }

  closeServer(sandboxPath: string): void {
    if (!netnsExists(sandboxPath)) return;
    try {
      using ns = openNetns(sandboxPath);
      using nft = Nft.open(ns);
      nft.runIfPresent(`delete table ip ${TABLE}`);
    } catch (error) {
      // It went away in between.
      if (!isErrno(error, 'ENOENT', 'EINVAL')) throw error;
    }
  }

  openClient(sandboxPath: string, transport: Transport, family: 4 | 6): number {
    using ns = openNetns(sandboxPath);
    if (transport === 'udp') return openUdpSocketIn(ns, ANY[family], 0);
    return holdPort({ protocol: 'tcp', ip: ANY[family], port: 0, v6only: true, netns: ns }).release();
  }
}

function redirectScript(udp: number, tcp: number): string {
  const rule = (protocol: string, port: number): string => `
    ip daddr ${RESOLVER_IP} ${protocol} dport 53 ${protocol} dport set ${port} notrack
    ip saddr ${RESOLVER_IP} ${protocol} sport ${port} ${protocol} sport set 53 notrack`;
  return `
add table ip ${TABLE}
delete table ip ${TABLE}
table ip ${TABLE} {
  chain output {
    type filter hook output priority raw; policy accept;${rule('udp', udp)}${rule('tcp', tcp)}
  }
}`;
}
