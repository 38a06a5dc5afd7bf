import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Cidr, cidrText, familyOf, type IpFamily, networkOf, notFound } from '../../base/index.ts';
import {
  createNetns,
  deleteNetns,
  type Flow,
  flushConntrack,
  isErrno,
  type NetnsHandle,
  netnsExists,
  openNetns,
  pinNetns,
  type RouteSpec,
  RT_TABLE_MAIN,
  Rtnl,
  writeSysctl,
} from '../../kernel/index.ts';
import type { AddressChange, DefaultRoute, DefaultRoutes, ExtraRoute, HostChange, SandboxHost } from './host.ts';
import { watchHost } from './watch.ts';

export interface KernelHostDeps {
  /** In the namespace of the daemon. */
  readonly rtnl: Rtnl;
}

/** What every container may expect: low ports and ping without privileges, as Docker sets them. */
const DEFAULT_SYSCTLS: Readonly<Record<string, string>> = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
};

export class KernelHost implements SandboxHost {
  readonly #rtnl: Rtnl;
  #stale: ((flow: Flow) => boolean)[] = [];
  #forgotten: Promise<void> = Promise.resolve();

  constructor(deps: KernelHostDeps) {
    this.#rtnl = deps.rtnl;
  }

  createNamespace(path: string, sysctls: Readonly<Record<string, string>>): void {
    using undo = new DisposableStack();
    createNetns(path);
    undo.defer(() => deleteNetns(path));
    using ns = openNetns(path);
    using rtnl = Rtnl.open(ns);
    const loopback = rtnl.links.get('lo');
    if (loopback !== undefined) rtnl.links.set(loopback.index, { up: true });
    for (const [key, value] of Object.entries(DEFAULT_SYSCTLS)) {
      if (sysctls[key] === undefined) writeIfKnown(key, value, ns);
    }
    for (const [key, value] of Object.entries(sysctls)) writeSysctl(key, value, ns);
    undo.move();
  }

  removeNamespace(path: string): void {
    deleteNetns(path);
  }

  namespaceExists(path: string): boolean {
    return netnsExists(path);
  }

  pinNamespace(path: string, pid: number): void {
    pinNetns(`/proc/${pid}/ns/net`, path);
  }

  namespaces(folder: string, prefix: string): readonly string[] {
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => name.startsWith(prefix))
      .map((name) => join(folder, name));
  }

  missingDefaultRoutes(path: string, wanted: DefaultRoutes): readonly DefaultRoute[] {
    const routes = [wanted.ipv4, wanted.ipv6].filter((route) => route !== undefined);
    if (routes.length === 0) return [];
    using ns = openNetns(path);
    using rtnl = Rtnl.open(ns);
    const there = rtnl.routes
      .list()
      .filter(({ destination, table }) => destination === undefined && table === RT_TABLE_MAIN);
    return routes.filter(({ ifname, gateway }) => {
      const index = rtnl.links.get(ifname)?.index;
      return !there.some((route) => route.linkIndex === index && route.gateway === gateway);
    });
  }

  missingRoutes(path: string, ifname: string, wanted: readonly ExtraRoute[]): readonly ExtraRoute[] {
    if (wanted.length === 0) return [];
    using ns = openNetns(path);
    using rtnl = Rtnl.open(ns);
    const index = rtnl.links.get(ifname)?.index;
    if (index === undefined) return [];
    const there = new Set(rtnl.routes.list().flatMap((route) => (route.linkIndex === index ? [routeKey(route)] : [])));
    return wanted.filter((route) => !there.has(routeKey(route)));
  }

  ownNamespacePath(): string {
    return `/proc/${process.pid}/ns/net`;
  }

  setDefaultRoutes(path: string, after: DefaultRoutes, before: DefaultRoutes): void {
    if (same(after.ipv4, before.ipv4) && same(after.ipv6, before.ipv6)) return;
    using ns = openNetns(path);
    using rtnl = Rtnl.open(ns);
    if (!same(after.ipv4, before.ipv4)) changeDefault(rtnl, 4, { after: after.ipv4, before: before.ipv4 });
    if (!same(after.ipv6, before.ipv6)) changeDefault(rtnl, 6, { after: after.ipv6, before: before.ipv6 });
  }

  changeAddress(path: string, ifname: string, { add, remove, mtu }: AddressChange): void {
    using ns = openNetns(path);
    using rtnl = Rtnl.open(ns);
    const link = rtnl.links.get(ifname);
    if (link === undefined) throw notFound('no_such_link', `cannot give link ${ifname} an address: it is not there`);
    if (mtu !== undefined && mtu !== link.mtu) rtnl.links.set(link.index, { mtu });
    // Without it the kernel takes further addresses of a subnet away with the first.
    if (remove !== undefined) writeSysctl(['net', 'ipv4', 'conf', ifname, 'promote_secondaries'], 1, ns);
    if (add !== undefined) rtnl.addresses.add(link.index, add, { noDad: true, ifMissing: true });
    if (remove !== undefined) rtnl.addresses.remove(link.index, remove);
  }

  addRoutes(path: string, ifname: string, routes: readonly ExtraRoute[]): void {
    if (routes.length === 0) return;
    using ns = openNetns(path);
    using rtnl = Rtnl.open(ns);
    const linkIndex = rtnl.links.get(ifname)?.index;
    for (const route of routes) rtnl.routes.add({ ...route, linkIndex, ifMissing: true });
  }

  busySubnets(): readonly Cidr[] {
    const onLink = this.#rtnl.routes
      .list()
      .filter((route) => route.table === RT_TABLE_MAIN && route.type === 'unicast' && route.gateway === undefined);
    return onLink.flatMap(({ destination }) => (destination === undefined ? [] : [destination]));
  }

  watch(netnsDir: string, listener: (change: HostChange) => void): Disposable {
    return watchHost({ rtnl: this.#rtnl, netnsDir }, listener);
  }

  /** Finding them takes a walk through the whole table, some 20 ms: those who ask in the same moment share one. */
  forgetFlows(stale: (flow: Flow) => boolean): Promise<void> {
    const asked = this.#stale;
    asked.push(stale);
    if (asked.length === 1) {
      this.#forgotten = new Promise((resolve, reject) => {
        setImmediate(() => {
          this.#stale = [];
          try {
            flushConntrack((flow) => asked.some((one) => one(flow)));
            resolve();
          } catch (error) {
            reject(error);
          }
        });
      });
    }
    return this.#forgotten;
  }
}

/** The kernel keeps destinations without the bits of the host. */
function routeKey({ destination, gateway }: Pick<RouteSpec, 'destination' | 'gateway'>): string {
  return `${destination === undefined ? '' : cidrText(networkOf(destination))} ${gateway}`;
}

/** The new one first: what leaves meanwhile finds a way. */
function changeDefault(
  rtnl: Rtnl,
  family: IpFamily,
  change: { readonly after: DefaultRoute | undefined; readonly before: DefaultRoute | undefined },
): void {
  const { after, before } = change;
  const old = before === undefined ? undefined : routeSpec(rtnl, family, before);
  const wanted = after === undefined ? undefined : routeSpec(rtnl, family, after);
  // Replacing an IPv6 route with another link leaves both.
  if (old !== undefined && (wanted === undefined || family === 6)) rtnl.routes.remove(old);
  if (wanted !== undefined) rtnl.routes.replace(wanted);
}

/** Undefined when the link has gone, and its routes with it. */
function routeSpec(rtnl: Rtnl, family: IpFamily, route: DefaultRoute): RouteSpec | undefined {
  const linkIndex = rtnl.links.get(route.ifname)?.index;
  if (linkIndex === undefined) return undefined;
  const { gateway } = route;
  // A gateway outside the subnet (macvlan) is reached on the link all the same.
  return { family, linkIndex, gateway, ...(gateway !== undefined && familyOf(gateway) === 4 ? { onlink: true } : {}) };
}

function same(a: DefaultRoute | undefined, b: DefaultRoute | undefined): boolean {
  return a?.ifname === b?.ifname && a?.gateway === b?.gateway;
}

function writeIfKnown(key: string, value: string, ns: NetnsHandle): void {
  try {
    writeSysctl(key, value, ns);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
