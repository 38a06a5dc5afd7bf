import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { NETLINK_NETFILTER } from '../ffi/index.ts';

/** A netfilter socket of this process in the namespace the thread is in. */
export interface OwnSocket {
  readonly fd: number;
  /** By which the kernel names it to others. */
  readonly portId: number;
}

/** The library does not tell which sockets are its, so they are found among our descriptors. */
export function ownNetfilterSockets(): OwnSocket[] {
  const byInode = new Map<string, number>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      byInode.set(readlinkSync(`/proc/self/fd/${fd}`), Number(fd));
    } catch {
      // The descriptor of the folder itself is closed by now.
    }
  }
  const [, ...lines] = readFileSync('/proc/thread-self/net/netlink', 'utf8').trim().split('\n');
  return lines.flatMap((line) => {
    const [, protocol, port, ...rest] = line.trim().split(/\s+/);
    const fd = Number(protocol) === NETLINK_NETFILTER ? byInode.get(`socket:[${rest.at(-1)}]`) : undefined;
    return fd === undefined ? [] : [{ fd, portId: Number(port) >>> 0 }];
  });
}
