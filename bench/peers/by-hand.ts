import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestHost } from '../../test/support/index.ts';
import { startHolder, stopChild } from '../../test/support/lan.ts';
import { onCore, SERVER_CORE } from '../cores.ts';
import { within } from '../data-path.ts';

/** Echoes what it is told, on all addresses. */
const SERVER = `require('net').createServer({ noDelay: true }, (s) => { s.on('error', () => {}); s.pipe(s); }).listen({ port: Number(process.argv[1]), backlog: 4096 }, () => console.log('ready'))`;

/** The same server for everybody, in the network namespace of a process. */
export async function serve(pid: number, port: number, undo: AsyncDisposableStack): Promise<void> {
  const [program = '', ...args] = [
    ...within(pid),
    ...onCore(SERVER_CORE),
    process.execPath,
    '-e',
    SERVER,
    String(port),
  ];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  undo.defer(() => stopChild(child));
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error(`no server at port ${port}`))),
  ]);
}

/**
 * What an engine does at least: a bridge with a namespace behind it, the ports translated to it for those who come from outside
 * and for the host itself, by IPv4 (127.0.0.1 included) and IPv6. Returns a process of that namespace.
 */
export async function publishByHand(
  host: TestHost,
  ports: readonly number[],
  undo: AsyncDisposableStack,
): Promise<number> {
  const holder = await startHolder(['-n'], 'true');
  undo.defer(() => stopChild(holder));
  const set = `{ ${[...new Set(ports)].join(', ')} }`;
  const table = (
    family: 'ip' | 'ip6',
    address: string,
    network: string,
    local: string,
  ): string => `table ${family} hand {
    chain pre { type nat hook prerouting priority dstnat; fib daddr type local tcp dport ${set} dnat to ${address}; }
    chain out { type nat hook output priority -100; fib daddr type local tcp dport ${set} dnat to ${address}; }
    chain post { type nat hook postrouting priority srcnat; ${family} saddr ${network} oifname != "br0" masquerade; ${family} saddr ${local} oifname "br0" masquerade; }
  }`;
  const rules = `${table('ip', '10.8.0.2', '10.8.0.0/24', '127.0.0.0/8')}\n${table('ip6', 'fd08::2', 'fd08::/64', '::1')}\n`;
  undo.defer(async () => {
    // Some of it may never have been made.
    const parts = ['nft delete table ip hand', 'nft delete table ip6 hand', 'ip link del port0', 'ip link del br0'];
    await host.run(['sh', '-c', parts.map((part) => `${part} 2>/dev/null`).join('; ')]);
  });
  await host.ok(
    [
      'sh',
      '-ec',
      `ip link add br0 type bridge forward_delay 0
      sysctl -qw net.ipv6.conf.br0.accept_dad=0
      ip addr add 10.8.0.1/24 dev br0
      ip addr add fd08::1/64 dev br0 nodad
      ip link set br0 up
      ip link add port0 type veth peer name eth0 netns ${holder.pid}
      ip link set port0 master br0 up
      sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.br0.route_localnet=1
      nft -f -`,
    ],
    { input: rules },
  );
  const setUp = `ip link set lo up; ip link set eth0 up; ip addr add 10.8.0.2/24 dev eth0; ip route add default via 10.8.0.1
    ip addr add fd08::2/64 dev eth0 nodad; ip -6 route add default via fd08::1`;
  await host.ok([...within(holder.pid ?? 0), 'sh', '-ec', setUp]);
  return holder.pid ?? 0;
}
