import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Id, type Ip, type IpFamily, newId, parseCidr, parseIp, systemClock } from '../../../base/index.ts';
import {
  createNetns,
  deleteNetns,
  type Netns,
  Nft,
  openNetns,
  Rtnl,
  runInNetns,
  scratchNft,
  writeSysctl,
} from '../../../kernel/index.ts';
import type { Attachment, AttachSpec, NetworkRecord, NodeEntry, Peer } from '../../../model/index.ts';
import { NftFirewall } from '../../../services/firewall/index.ts';
import { DiscardedLinks } from '../../discarded-links.ts';
import { OverlayDriver } from '../driver.ts';

const run = promisify(execFile);

export interface LabOptions {
  /** Of the addresses that nodes send each other frames from. */
  readonly underlay?: IpFamily;
  readonly dataPort?: number;
}

/** A namespace with links of its own. */
export interface Place {
  readonly path: string;
  readonly ns: Netns;
}

export interface LabNode extends Place {
  readonly id: Id;
  readonly name: string;
  readonly rtnl: Rtnl;
  readonly discarded: DiscardedLinks;
  readonly nft: Nft;
  readonly firewall: NftFirewall;
  driver: OverlayDriver;
  address: Ip;
}

export interface LabContainer extends Place {
  readonly name: string;
  readonly node: LabNode;
  readonly spec: AttachSpec;
  readonly attachment: Attachment;
  readonly peer: Omit<Peer, 'underlay'>;
}

/**
 * Hosts as namespaces on one LAN, each with a driver and a packet filter of its own, and a cluster that is a map: whoever joins
 * is told to the others at once.
 */
export class OverlayLab implements AsyncDisposable {
  readonly #options: Required<LabOptions>;
  readonly #directory = mkdtempSync(join(tmpdir(), 'fwt-overlay-'));
  readonly #places: Place[] = [];
  readonly lan: Place & { readonly rtnl: Rtnl };
  readonly nodes: LabNode[] = [];
  readonly containers = new Map<string, LabContainer>();

  constructor(options: LabOptions = {}) {
    this.#options = { underlay: 4, dataPort: 4789, ...options };
    const lan = this.place('lan');
    this.lan = { ...lan, rtnl: Rtnl.open(lan.ns) };
    const bridge = this.lan.rtnl.links.createBridge({ name: 'lan0', multicastSnooping: false });
    this.lan.rtnl.links.set(bridge.index, { up: true });
  }

  place(name: string): Place {
    const path = join(this.#directory, name);
    createNetns(path);
    const place = { path, ns: openNetns(path) };
    this.#places.push(place);
    return place;
  }

  /** With the address `192.0.2.<number>` and `2001:db8::<number>` on the LAN. */
  async node(number: number): Promise<LabNode> {
    const name = `node${number}`;
    const place = this.place(name);
    const rtnl = Rtnl.open(place.ns);
    rtnl.links.set(1, { up: true });
    this.plug(place, name);
    for (const family of [4, 6] as const) this.addAddress(rtnl, addressOf(family, number));
    writeSysctl('net.ipv4.ip_forward', 1, place.ns);
    const nft = Nft.open(place.ns);
    const discarded = new DiscardedLinks({ rtnl, clock: systemClock });
    const firewall = new NftFirewall({ nft, scratch: scratchNft });
    const address = addressOf(this.#options.underlay, number);
    const node: LabNode = {
      ...{ ...place, id: newId(), name, rtnl, discarded, nft, firewall, address },
      driver: undefined as unknown as OverlayDriver,
    };
    this.restartDriver(node);
    this.nodes.push(node);
    await this.tellNodes();
    return node;
  }

  /** A link to the LAN. */
  plug(place: Place, name: string): void {
    const { rtnl } = this.lan;
    const port = rtnl.links.createVeth({
      ...{ name, peerName: 'eth0', peerNetns: place.ns },
      masterIndex: rtnl.links.get('lan0')?.index,
    });
    rtnl.links.set(port.index, { up: true });
    using inside = Rtnl.open(place.ns);
    inside.links.set(inside.links.get('eth0')?.index ?? 0, { up: true });
  }

  addAddress(rtnl: Rtnl, ip: Ip): void {
    const index = rtnl.links.get('eth0')?.index ?? 0;
    rtnl.addresses.add(index, { ip, prefix: ip.includes(':') ? 64 : 24 }, { noDad: true });
  }

  /** As a daemon that starts again: what is in the kernel stays. */
  restartDriver(node: LabNode): void {
    const { rtnl, discarded } = node;
    node.driver = new OverlayDriver(
      { rtnl, discarded, underlay: () => node.address },
      { dataPort: this.#options.dataPort },
    );
  }

  /** Which hosts are nodes, to all packet filters. */
  async tellNodes(): Promise<void> {
    const add = this.nodes.map(({ id, address }): NodeEntry => ({ kind: 'node', nodeId: id, address }));
    for (const { firewall } of this.nodes) await firewall.apply({ add });
  }

  network(
    more: Partial<NetworkRecord> = {},
    subnets: readonly string[] = ['10.77.0.0/24', 'fd77::/64'],
  ): NetworkRecord {
    const pools = subnets.map((text) => {
      const subnet = parseCidr(text);
      return { family: text.includes(':') ? 6 : 4, subnet, auxiliary: {} } as const;
    });
    return {
      ...{ id: newId(), name: 'net', created: '0', scope: 'global', driver: 'overlay', internal: false },
      ...{ enableIpv4: true, enableIpv6: true, attachable: true, ingress: false, configOnly: false },
      ...{ options: {}, labels: {}, ipam: { driver: 'default', options: {}, requested: [] }, pools },
      driverState: { vni: 4097 },
      ...more,
    };
  }

  spec(place: Place, network: NetworkRecord, addresses: readonly string[]): AttachSpec {
    const [ipv4, ipv6] = [false, true].map((six) => addresses.find((text) => text.includes(':') === six));
    return {
      ...{ endpointId: newId(), ownerId: newId(), network, sandboxPath: place.path, ifname: 'eth0', request: {} },
      ...(ipv4 === undefined ? {} : { ipv4: parseCidr(ipv4) }),
      ...(ipv6 === undefined ? {} : { ipv6: parseCidr(ipv6) }),
    };
  }

  /** A container of that name on the network, known to everybody. The addresses are `host` numbers in the first subnets. */
  async join(node: LabNode, network: NetworkRecord, name: string, addresses: readonly string[]): Promise<LabContainer> {
    const first = !this.#on(node, network);
    if (first) {
      const { firewall } = await within(node, () => node.driver.createNetwork(network));
      await node.firewall.apply({ add: firewall });
      node.driver.replacePeers(network, this.#peersOf(network, node));
    }
    const place = this.place(`${name}-${newId().slice(0, 6)}`);
    const spec = this.spec(place, network, addresses);
    await node.firewall.apply({ add: node.driver.guard(spec) });
    const attachment = await within(node, () => node.driver.attach(spec));
    using rtnl = Rtnl.open(place.ns);
    rtnl.links.set(1, { up: true });
    const linkIndex = rtnl.links.get('eth0')?.index;
    for (const { destination } of attachment.routes ?? []) rtnl.routes.add({ destination, linkIndex });
    const container: LabContainer = {
      ...{ ...place, name, node, spec, attachment },
      peer: {
        endpointId: spec.endpointId,
        mac: attachment.mac ?? fail('no Ethernet address'),
        ...(spec.ipv4 === undefined ? {} : { ipv4: spec.ipv4.ip }),
        ...(spec.ipv6 === undefined ? {} : { ipv6: spec.ipv6.ip }),
      },
    };
    this.containers.set(name, container);
    this.#tell(network, node, { set: [{ ...container.peer, underlay: node.address }], remove: [] });
    return container;
  }

  /** `silently`: nobody is told, as when the news is late. */
  async leave({ name, node, spec, attachment }: LabContainer, silently = false): Promise<void> {
    const { network } = spec;
    this.containers.delete(name);
    await within(node, () => node.driver.detach(spec, attachment.state));
    await node.firewall.apply({ remove: node.driver.guard(spec, attachment.state) });
    if (!silently) this.#tell(network, node, { set: [], remove: [spec.endpointId] });
    if (this.#on(node, network)) return;
    const entries = node.firewall.entries().filter((entry) => 'networkId' in entry && entry.networkId === network.id);
    await within(node, () => node.driver.removeNetwork(network));
    await node.firewall.apply({ remove: entries });
  }

  /** The node's underlay address is another from now on, and everybody hears of it. */
  async move(node: LabNode, address: Ip): Promise<void> {
    const index = node.rtnl.links.get('eth0')?.index ?? 0;
    node.rtnl.addresses.remove(index, { ip: node.address, prefix: node.address.includes(':') ? 64 : 24 });
    this.addAddress(node.rtnl, address);
    node.address = address;
    await this.tellNodes();
    for (const network of new Set([...this.containers.values()].map(({ spec }) => spec.network))) {
      if (this.#on(node, network)) await within(node, () => node.driver.restoreNetwork(network));
      const set = [...this.containers.values()].filter((one) => one.node === node && one.spec.network === network);
      this.#tell(network, node, { set: set.map(({ peer }) => ({ ...peer, underlay: address })), remove: [] });
    }
  }

  setLanPort(node: LabNode, up: boolean): void {
    this.lan.rtnl.links.set(this.lan.rtnl.links.get(node.name)?.index ?? 0, { up });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) {
      node.discarded.flush();
      node.nft.close();
      node.rtnl.close();
    }
    this.lan.rtnl.close();
    for (const { ns, path } of this.#places) {
      ns.close();
      deleteNetns(path);
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #tell(network: NetworkRecord, from: LabNode, change: { set: readonly Peer[]; remove: readonly Id[] }): void {
    for (const node of this.nodes) {
      if (node !== from && this.#on(node, network)) node.driver.changePeers(network, change);
    }
  }

  #on(node: LabNode, network: NetworkRecord): boolean {
    return [...this.containers.values()].some((one) => one.node === node && one.spec.network.id === network.id);
  }

  #peersOf(network: NetworkRecord, except: LabNode): readonly Peer[] {
    return [...this.containers.values()]
      .filter(({ node, spec }) => node !== except && spec.network.id === network.id)
      .map(({ peer, node }) => ({ ...peer, underlay: node.address }));
  }
}

export function addressOf(family: IpFamily, number: number): Ip {
  return parseIp(family === 4 ? `192.0.2.${number}` : `2001:db8::${number}`);
}

/** The driver belongs into the namespace of its host; all of its work there is done before it first waits. */
export function within<T>(place: Place, work: () => Promise<T>): Promise<T> {
  let result: Promise<T> | undefined;
  runInNetns(place.ns, () => {
    result = work();
  });
  return result ?? fail('no work');
}

/** What a program prints in that place; rejects when it fails. */
export async function inside(place: Place, ...command: readonly string[]): Promise<string> {
  const { stdout } = await run('nsenter', [`--net=${place.path}`, ...command]);
  return stdout;
}

/** One echo there and back. */
export function ping(from: Place, to: string, ...options: readonly string[]): Promise<string> {
  return inside(from, 'ping', '-c1', '-W5', ...options, to);
}

const SERVER = `
const server = require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
  let bytes = 0;
  socket.on('data', (data) => { bytes += data.length; });
  socket.on('end', () => socket.end(String(bytes)));
});
server.listen(8080, '::', () => console.log('ready'));`;
const CLIENT = `
const [address, bytes] = process.argv.slice(1);
const socket = require('node:net').connect(8080, address);
socket.end(Buffer.alloc(Number(bytes)));
socket.on('data', (data) => process.stdout.write(data));`;

/** Sends that many bytes by TCP; how many arrived. */
export async function send(from: Place, to: Place, address: string, bytes: number): Promise<number> {
  const server = spawn('nsenter', [`--net=${to.path}`, process.execPath, '-e', SERVER], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(server, 'exit');
  try {
    await once(server.stdout, 'data');
    return Number(await inside(from, process.execPath, '-e', CLIENT, address, String(bytes)));
  } finally {
    server.kill('SIGKILL');
    await ended;
  }
}

function fail(reason: string): never {
  throw new Error(reason);
}
