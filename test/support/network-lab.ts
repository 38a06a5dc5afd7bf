import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { type Clock, type Id, type Log, newId, silentLog, systemClock } from '../../src/base/index.ts';
import { BridgeDriver, DiscardedLinks, HostDriver, NoneDriver } from '../../src/drivers/index.ts';
import { Nft, openNetns, Rtnl, runInNetns, scratchNft } from '../../src/kernel/index.ts';
import type { Cluster, EngineEvent, NetworkDriver, Protocol, Store } from '../../src/model/index.ts';
import { createNetworking, KernelHost, type Networking, type NetworkingOptions } from '../../src/network/index.ts';
import { DhcpClient } from '../../src/services/dhcp/index.ts';
import { NetnsSandboxSockets, ProcessResolver } from '../../src/services/dns/index.ts';
import { NftFirewall } from '../../src/services/firewall/index.ts';
import { PoolIpam } from '../../src/services/ipam/index.ts';
import { HostPortAllocator, hostPortDeps } from '../../src/services/ports/index.ts';
import { SplicingPortRelay } from '../../src/services/relay/index.ts';
import { MemoryStore } from '../../src/store/index.ts';

const MARK = 'FWT_OWN_NAMESPACES';

/**
 * True inside a network and mount namespace of the test's own. Outside it registers one test which runs the whole file
 * inside, so that a file begins with `if (inOwnNamespaces(import.meta.filename)) describe(…)`.
 */
export function inOwnNamespaces(file: string): boolean {
  if (process.env[MARK] === '1') return true;
  const timeout = Number(process.env.FAIRWAY_OWN_NAMESPACES_TIMEOUT_MS ?? 120_000);
  it('passes in namespaces of its own', { timeout }, async (t) => {
    const child = spawn('unshare', ['-n', '-m', '--propagation', 'private', process.execPath, file], {
      env: { ...withoutTestContext(process.env), [MARK]: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.equal(code, 0, output);
    for (const line of figuresIn(output)) t.diagnostic(line);
  });
  return false;
}

/** What its tests printed as diagnostics, without the runner's own counts. */
function figuresIn(output: string): readonly string[] {
  const counts = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /;
  return output
    .split('\n')
    .flatMap((line) => /^\s*(?:ℹ|#) (.*)$/.exec(line)?.[1] ?? [])
    .filter((line) => !counts.test(line));
}

/** Else the child would report to the runner above in the runner's own format. */
function withoutTestContext(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _context, ...rest } = env;
  return rest;
}

export interface NetworkLabOptions extends NetworkingOptions {
  readonly store?: Store;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Closed by whoever made it. */
  readonly cluster?: Cluster;
  /** Further kinds of networks. */
  readonly drivers?: (parts: { readonly rtnl: Rtnl; readonly discarded: DiscardedLinks }) => readonly NetworkDriver[];
}

/** Everything of the network layer with the real kernel, in the namespace of the calling thread, without a daemon. */
export class NetworkLab implements AsyncDisposable {
  readonly networking: Networking;
  readonly store: Store;
  readonly rtnl: Rtnl;
  readonly events: Omit<EngineEvent, 'timeNanos' | 'scope'>[] = [];
  readonly directory: string;
  readonly #close: () => Promise<void>;
  readonly #sandboxes: Id[] = [];
  #stopped = false;

  private constructor(options: NetworkLabOptions, directory: string) {
    const log = options.log ?? silentLog;
    const clock = options.clock ?? systemClock;
    this.directory = directory;
    this.store = options.store ?? new MemoryStore();
    this.rtnl = Rtnl.open();
    const rtnl = this.rtnl;
    const discarded = new DiscardedLinks({ rtnl, clock });
    const nft = Nft.open();
    const resolver = new ProcessResolver({ sockets: new NetnsSandboxSockets(), log });
    const ports = new HostPortAllocator(hostPortDeps());
    const drivers = [new BridgeDriver({ rtnl, discarded, log }), new HostDriver(), new NoneDriver()];
    this.networking = createNetworking(
      {
        store: this.store,
        ipam: new PoolIpam({ engineId: 'lab' }),
        firewall: new NftFirewall({ nft, scratch: scratchNft, log }),
        ports,
        relay: new SplicingPortRelay({ sockets: ports, log }),
        resolver,
        leases: new DhcpClient({ clock, log }),
        drivers: [...drivers, ...(options.drivers?.({ rtnl, discarded }) ?? [])],
        host: new KernelHost({ rtnl }),
        ...(options.cluster === undefined ? {} : { cluster: options.cluster }),
        events: { publish: (event) => this.events.push(event) },
        hostResolvConf: () => ({ servers: [], search: [], options: [] }),
        clock,
        log,
      },
      { netnsDir: join(directory, 'netns'), ...options },
    );
    this.#close = async () => {
      await this.networking.stop();
      await resolver.close();
      discarded.flush();
      rtnl.close();
      nft[Symbol.dispose]();
    };
  }

  static async start(
    options: NetworkLabOptions = {},
    directory = mkdtempSync(join(tmpdir(), 'fwt-lab-')),
  ): Promise<NetworkLab> {
    mkdirSync(join(directory, 'netns'), { recursive: true });
    const lab = new NetworkLab(options, directory);
    const loopback = lab.rtnl.links.get('lo');
    if (loopback !== undefined) lab.rtnl.links.set(loopback.index, { up: true });
    await lab.networking.start(() => true);
    await lab.networking.settle(lab.networking.reconciler(() => undefined));
    return lab;
  }

  /** A sandbox as a container would have it. Returns its id. */
  async sandbox(
    options: {
      readonly ports?: readonly { host?: number; container: number; protocol?: Protocol }[];
      readonly host?: boolean;
    } = {},
  ): Promise<Id> {
    const id = newId();
    await this.networking.sandboxes.open({
      id,
      ownerId: newId(),
      host: options.host ?? false,
      ports: (options.ports ?? []).map(({ host, container, protocol = 'tcp' }) => ({
        protocol,
        containerPort: container,
        ...(host === undefined ? {} : { hostPorts: { first: host, last: host } }),
      })),
      exposed: [],
      publishAll: false,
      dns: { servers: [], search: [], options: [] },
      sysctls: {},
    });
    this.#sandboxes.push(id);
    return id;
  }

  attach(sandboxId: Id, network: string, name: string, request = {}): ReturnType<Networking['sandboxes']['attach']> {
    return this.networking.sandboxes.attach({ sandboxId, network, name, dnsNames: [name], request });
  }

  /** Runs inside a sandbox. */
  inside<T>(sandboxId: Id, work: () => T): T {
    const path = this.networking.sandboxes.get(sandboxId)?.path ?? '';
    using ns = openNetns(path);
    return runInNetns(ns, work);
  }

  /** What is on this host besides loopback. */
  links(): readonly string[] {
    return this.rtnl.links
      .list()
      .map(({ name }) => name)
      .filter((name) => name !== 'lo')
      .sort();
  }

  /** As a daemon that ends: sandboxes stay, and the folder, for a lab that takes over with the same store. */
  async stop(): Promise<void> {
    if (!this.#stopped) await this.#close();
    this.#stopped = true;
  }

  /** Also removes what the test made. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stopped) {
      for (const id of this.#sandboxes) await this.networking.sandboxes.close(id);
    }
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
