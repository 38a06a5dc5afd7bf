import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cidr, type Clock, cidrText, type Id, newId } from '../../base/index.ts';
import { BridgeDriver, DiscardedLinks, HostDriver, NoneDriver } from '../../drivers/index.ts';
import { listMounts, Nft, openFdCount, RT_TABLE_MAIN, Rtnl } from '../../kernel/index.ts';
import type { Drift, Store } from '../../model/index.ts';
import { NftFirewall } from '../../services/firewall/index.ts';
import { PoolIpam } from '../../services/ipam/index.ts';
import { HostPortAllocator, hostPortDeps } from '../../services/ports/index.ts';
import { MemoryStore } from '../../store/index.ts';
import { createNetworking, KernelHost, type Networking } from '../index.ts';
import { FakeResolver } from './fakes.ts';
import { KernelFaults } from './kernel-faults.ts';

const stillClock: Clock = { now: () => 0, nowNanos: () => 1n, after: () => () => {} };

export interface FaultSnapshot {
  readonly links: readonly string[];
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  readonly rules: string;
  readonly namespaces: readonly string[];
  readonly mounts: readonly string[];
  readonly stored: readonly string[];
  readonly drift: readonly Drift[];
  readonly descriptors: number;
}

/** The network layer on the real kernel, in the thread's namespace, with faults at any call into the kernel or the store. */
export class FaultLab implements AsyncDisposable {
  readonly faults = new KernelFaults();
  readonly store: Store = new MemoryStore();
  readonly #directory = mkdtempSync(join(tmpdir(), 'fwt-faults-'));
  readonly #rtnl = Rtnl.open();
  readonly #nft = Nft.open();
  readonly #discarded: DiscardedLinks;
  networking: Networking;

  private constructor() {
    mkdirSync(join(this.#directory, 'netns'));
    this.#discarded = new DiscardedLinks({ rtnl: this.#rtnl, clock: stillClock });
    this.networking = this.#assemble();
  }

  static async start(): Promise<FaultLab> {
    const lab = new FaultLab();
    await lab.networking.start(() => true);
    await lab.networking.settle(lab.networking.reconciler(() => undefined));
    return lab;
  }

  /** As after a `kill -9`: memory is gone, the store and the kernel are as they were, ports of the dead are free. */
  async restart(): Promise<void> {
    this.faults.disarm();
    await this.networking.stop();
    this.networking = this.#assemble();
    await this.networking.start(() => true);
    await this.networking.settle(this.networking.reconciler(() => undefined));
  }

  async sandbox(port: number): Promise<Id> {
    const id = newId();
    await this.networking.sandboxes.open({
      ...{ id, ownerId: newId(), host: false, exposed: [], publishAll: false, sysctls: {} },
      ports: [{ protocol: 'tcp', containerPort: 80, hostPorts: { first: port, last: port } }],
      dns: { servers: [], search: [], options: [] },
    });
    return id;
  }

  attach(sandboxId: Id, network: string): Promise<unknown> {
    return this.networking.sandboxes.attach({ sandboxId, network, name: 'box', dnsNames: ['box'], request: {} });
  }

  /** All that can be left: in the kernel, in the store, and open in this process. */
  async snapshot(): Promise<FaultSnapshot> {
    this.#discarded.flush();
    const links = this.#rtnl.links.list();
    const nameOf = (index: number | undefined): string => links.find((link) => link.index === index)?.name ?? '';
    const folder = join(this.#directory, 'netns');
    return {
      links: links.map(({ name, flags, masterIndex }) => `${name} ${flags.up} ${nameOf(masterIndex)}`).sort(),
      addresses: this.#rtnl.addresses
        .list()
        .filter(({ cidr }) => !isLinkLocal(cidr))
        .map(({ linkIndex, cidr }) => `${nameOf(linkIndex)} ${cidrText(cidr)}`)
        .sort(),
      routes: this.#rtnl.routes
        .list()
        .filter(({ table, destination }) => table === RT_TABLE_MAIN && !isLinkLocal(destination))
        .map(({ destination, linkIndex }) => `${destination ? cidrText(destination) : 'default'} ${nameOf(linkIndex)}`)
        .sort(),
      rules: this.#nft.list('ruleset'),
      namespaces: readdirSync(folder),
      mounts: listMounts()
        .filter(({ target }) => target.startsWith(this.#directory))
        .map(({ target }) => target),
      stored: (await this.store.list('')).map(({ key }) => key).sort(),
      drift: await this.networking.reconciler(() => undefined).verify(),
      descriptors: openFdCount(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.faults.disarm();
    await this.networking.stop();
    this.#discarded.flush();
    this.#rtnl.close();
    this.#nft.close();
    this.faults[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #assemble(): Networking {
    const rtnl = this.#rtnl;
    return createNetworking(
      {
        store: this.faults.wrap(this.store),
        ipam: new PoolIpam({ engineId: 'faults' }),
        firewall: new NftFirewall({ nft: this.#nft }),
        ports: new HostPortAllocator(hostPortDeps()),
        resolver: new FakeResolver(),
        drivers: [new BridgeDriver({ rtnl, discarded: this.#discarded }), new HostDriver(), new NoneDriver()],
        host: new KernelHost({ rtnl }),
        events: { publish: () => {} },
        hostResolvConf: () => ({ servers: [], search: [], options: [] }),
        clock: stillClock,
      },
      { netnsDir: join(this.#directory, 'netns'), defaultBridge: false },
    );
  }
}

/** The kernel makes these, and the routes of its own tables, when a link gets its carrier. */
function isLinkLocal(cidr: Cidr | undefined): boolean {
  return cidr?.ip.startsWith('fe80:') === true;
}
