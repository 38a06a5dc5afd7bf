import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { familyOf, type Ip, type IpFamily, parseCidr, parseIp } from '../../../base/index.ts';
import {
  createNetns,
  deleteNetns,
  isErrno,
  type Netns,
  Nft,
  openNetns,
  openUdpSocketIn,
  Rtnl,
  writeSysctl,
} from '../../../kernel/index.ts';
import { NftFirewall } from '../nft-firewall.ts';
import { Seal } from '../seal.ts';

const ANY = { 4: parseIp('0.0.0.0'), 6: parseIp('::') } as const;
/** How long a packet that must not arrive is waited for. Loaded machines make the test weaker, never wrong. */
const NOTHING_MS = 150;
const ANSWER_MS = 15_000;

interface Member {
  readonly name: string;
  readonly path: string;
  readonly ns: Netns;
  readonly rtnl: Rtnl;
}

/**
 * Namespaces with real links: `host` has the packet filter; `lan` is a neighbour of the host; containers hang on bridges of
 * the host and everybody echoes UDP on the ports it was told to.
 */
export class Lab implements AsyncDisposable {
  readonly #members = new Map<string, Member>();
  readonly #sockets: Socket[] = [];
  readonly nft: Nft;
  readonly seal: Seal;
  readonly firewall: NftFirewall;
  readonly host: Member;

  constructor() {
    this.host = this.#add('host');
    for (const key of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) writeSysctl(key, 1, this.host.ns);
    this.setBridgeNetfilter(false);
    this.nft = Nft.open(this.host.ns);
    this.seal = Seal.open({ open: (work) => Nft.openOwner(work, this.host.ns) });
    this.firewall = new NftFirewall({ nft: this.nft, seal: this.seal });
  }

  /**
   * Whether bridged packets pass the filters for routed ones, as other programs on the machine may want. False when this
   * kernel has no such thing loaded.
   */
  setBridgeNetfilter(on: boolean): boolean {
    try {
      for (const key of ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables']) {
        writeSysctl(['net', 'bridge', key], Number(on), this.host.ns);
      }
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }

  member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`no ${name} in the lab`);
    return member;
  }

  /** A neighbour on a link of its own: the host's end is called `name` and has the first address, it has the second. */
  neighbour(name: string, ...pairs: readonly (readonly [string, string])[]): void {
    const member = this.#add(name);
    const veth = this.host.rtnl.links.createVeth({ name, peerName: 'eth0', peerNetns: member.ns });
    for (const [ours] of pairs) this.host.rtnl.addresses.add(veth.index, parseCidr(ours), { noDad: true });
    this.host.rtnl.links.set(veth.index, { up: true });
    this.#configure(member, pairs);
  }

  bridge(name: string, ...gateways: readonly string[]): void {
    const { rtnl, ns } = this.host;
    const bridge = rtnl.links.createBridge({ name });
    rtnl.links.set(bridge.index, { up: true, ipv6AddressGeneration: 'none' });
    for (const gateway of gateways) rtnl.addresses.add(bridge.index, parseCidr(gateway), { noDad: true });
    writeSysctl(['net', 'ipv4', 'conf', name, 'route_localnet'], 1, ns);
    writeSysctl(['net', 'ipv4', 'conf', name, 'send_redirects'], 0, ns);
  }

  /** On a bridge, with the bridge's addresses as gateways. `isolated`: as a driver does for icc=false. */
  container(name: string, bridge: string, pairs: readonly (readonly [string, string])[], isolated = false): void {
    const member = this.#add(name);
    const masterIndex = this.host.rtnl.links.get(bridge)?.index;
    const veth = this.host.rtnl.links.createVeth({
      name: `v${name}`,
      peerName: 'eth0',
      peerNetns: member.ns,
      masterIndex,
    });
    if (isolated) this.host.rtnl.links.setBridgePort(veth.index, { isolated: true });
    this.host.rtnl.links.set(veth.index, { up: true });
    this.#configure(member, pairs);
  }

  /** Echoes `name peer-address` to every datagram on `port`, of both families. */
  async serve(name: string, port: number, ip: Ip = ANY[6]): Promise<void> {
    const socket = await this.#socket(name, familyOf(ip), ip, port);
    socket.on('message', (_data, { port: peerPort, address }) =>
      socket.send(`${name} ${address.replace('::ffff:', '')}`, peerPort, address, () => {}),
    );
  }

  /** The echo of whoever answers a datagram from `name` to `ip`:`port`; undefined when nobody does. */
  async ask(name: string, ip: string, port: number, expect: 'answer' | 'nothing'): Promise<string | undefined> {
    const askAgain = await this.conversation(name, ip, port);
    return askAgain(expect);
  }

  /** The same, to be repeated from one socket: to the host, one flow. */
  async conversation(
    name: string,
    ip: string,
    port: number,
  ): Promise<(expect: 'answer' | 'nothing') => Promise<string | undefined>> {
    const to = parseIp(ip);
    const socket = await this.#socket(name, familyOf(to), ANY[familyOf(to)], 0);
    return async (expect) => {
      const patience = AbortSignal.timeout(expect === 'answer' ? ANSWER_MS : NOTHING_MS);
      // A refusal by the routing table is an answer of its own: nothing.
      socket.send('?', port, to, () => {});
      try {
        const [data, from] = (await once(socket, 'message', { signal: patience })) as [Buffer, RemoteInfo];
        return from.address === to && from.port === port ? String(data) : `wrong source ${from.address}:${from.port}`;
      } catch (error) {
        if (patience.aborted) return undefined;
        throw error;
      }
    };
  }

  /** What comes by signal comes when the loop turns. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => new Promise<void>((done) => socket.close(done))));
    this.seal[Symbol.dispose]();
    this.nft.close();
    for (const { rtnl, ns, path } of this.#members.values()) {
      rtnl.close();
      ns.close();
      deleteNetns(path);
    }
  }

  #add(name: string): Member {
    const path = `/run/netns/fwt-fw-${process.pid}-${name}`;
    createNetns(path);
    const ns = openNetns(path);
    const rtnl = Rtnl.open(ns);
    rtnl.links.set(1, { up: true });
    const member = { name, path, ns, rtnl };
    this.#members.set(name, member);
    return member;
  }

  #configure({ rtnl }: Member, pairs: readonly (readonly [string, string])[]): void {
    const index = rtnl.links.get('eth0')?.index ?? 0;
    rtnl.links.set(index, { up: true, ipv6AddressGeneration: 'none' });
    for (const [, theirs] of pairs) rtnl.addresses.add(index, parseCidr(theirs), { noDad: true });
    for (const [gateway] of pairs) rtnl.routes.add({ gateway: parseCidr(gateway).ip, linkIndex: index });
  }

  async #socket(name: string, family: IpFamily, ip: Ip, port: number): Promise<Socket> {
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    socket.on('error', () => {});
    this.#sockets.push(socket);
    const listening = once(socket, 'listening');
    socket.bind({ fd: openUdpSocketIn(this.member(name).ns, ip, port) });
    await listening;
    return socket;
  }
}
