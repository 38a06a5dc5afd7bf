import type { RunOptions } from './run.ts';

/** A LAN or a host. */
interface Place {
  ok(command: readonly string[], options?: RunOptions): Promise<string>;
}

/** A raw ICMPv6 socket, which neither Node nor busybox has: the kernel adds addresses and the sum. */
const SCRIPT = `
import socket, struct, sys
prefix, link = sys.argv[1], sys.argv[2]
advertisement = struct.pack('!BBHBBHII', 134, 0, 0, 64, 0, 1800, 0, 0)
information = struct.pack('!BBBBIII', 3, 4, 64, 0xc0, 3600, 1800, 0) + socket.inet_pton(socket.AF_INET6, prefix)
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(advertisement + information, ('ff02::1', 0, 0, socket.if_nametoindex(link)))
`;

/** Somebody says once, to all on the link, that they are a router, and that hosts may take addresses of the prefix (`fd55::`, of 64 bits). */
export async function advertiseRouter(from: Place, prefix: string, link = 'br0'): Promise<void> {
  await from.ok(['python3', '-c', SCRIPT, prefix, link]);
}
