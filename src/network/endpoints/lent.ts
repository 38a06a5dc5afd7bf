import { FairwayError, type Id, invalid, type Log, messageOf, type Serial } from '../../base/index.ts';
import type {
  Attachment,
  AttachSpec,
  EndpointRecord,
  Lease,
  LeaseLink,
  Leases,
  NetworkDriver,
  NetworkRecord,
  Resolver,
  Store,
} from '../../model/index.ts';
import type { SandboxHost } from '../host/index.ts';
import { put } from '../journal.ts';
import type { LiveEndpoint, NetworkState } from '../state.ts';
import { Undo } from '../undo.ts';
import { dnsEndpoint } from './views.ts';
import { type Wiring, withPorts } from './wiring.ts';

export interface LentAddressesDeps {
  readonly state: NetworkState;
  readonly store: Store;
  readonly wiring: Wiring;
  readonly host: SandboxHost;
  readonly resolver: Resolver;
  /** Absent: networks with DHCP cannot be joined. */
  readonly leases?: Leases | undefined;
  /** Calls on one sandbox, one at a time. */
  readonly turns: Serial<Id>;
  readonly log: Log;
}

/** An endpoint's link with what it was lent. */
export interface Lent {
  readonly spec: AttachSpec;
  readonly attachment: Attachment;
  readonly lease?: Lease;
}

const DEFAULT_TIMEOUT_SECONDS = 15;

/** The addresses of networks that leave them to a DHCP server (`--ipam-driver dhcp`). */
export class LentAddresses {
  readonly #deps: LentAddressesDeps;
  readonly #kept = new Map<Id, () => void>();

  constructor(deps: LentAddressesDeps) {
    this.#deps = deps;
  }

  /** Gives an attached link what a server lends; on other networks it changes nothing. */
  async borrow(
    made: Omit<Lent, 'lease'>,
    { name, driver }: { readonly name: string; readonly driver: Pick<NetworkDriver, 'moveAddress'> | undefined },
    undo: Undo,
  ): Promise<Lent> {
    const { spec, attachment } = made;
    if (!isLent(spec.network)) return made;
    const { leases, host } = this.#deps;
    if (leases === undefined) throw invalid('no_dhcp', 'there is no DHCP client here');
    const link = leaseLink(spec, attachment, name);
    const lease = await this.#acquire(leases, { link, spec });
    undo.defer(() => leases.release(link, lease));
    host.changeAddress(spec.sandboxPath, link.ifname, { add: lease.address, mtu: lease.mtu });
    undo.defer(() => driver?.moveAddress?.(spec, { from: lease.address }));
    driver?.moveAddress?.(spec, { to: lease.address });
    return { spec: { ...spec, ipv4: lease.address }, attachment: withLease(attachment, spec.network, lease), lease };
  }

  /** From now on the lease of the endpoint is renewed. */
  keep({ record, spec, attachment }: LiveEndpoint): void {
    const { leases, turns } = this.#deps;
    const { lease, id, sandboxId } = record;
    if (leases === undefined || lease === undefined) return;
    const renewed = (next: Lease): void => {
      turns
        .run(sandboxId, () => this.#renewed(record, next))
        .catch((error: unknown) => {
          this.#deps.log.error({ endpoint: id, reason: messageOf(error) }, 'cannot use a renewed DHCP lease');
        });
    };
    this.#kept.set(id, leases.keep(leaseLink(spec, attachment, record.name), lease, renewed));
  }

  /** Before the link or its namespace goes. A server that is not told finds out when the lease ends. */
  async giveBack({ record, spec, attachment }: LiveEndpoint): Promise<void> {
    this.#kept.get(record.id)?.();
    this.#kept.delete(record.id);
    const { lease } = record;
    if (lease === undefined) return;
    try {
      await this.#deps.leases?.release(leaseLink(spec, attachment, record.name), lease);
    } catch (error) {
      this.#deps.log.debug({ endpoint: record.id, reason: messageOf(error) }, 'cannot release a DHCP lease');
    }
  }

  /** The daemon ends; a later one goes on with the leases. */
  stop(): void {
    for (const cancel of this.#kept.values()) cancel();
    this.#kept.clear();
  }

  async #acquire(leases: Leases, what: { readonly link: LeaseLink; readonly spec: AttachSpec }): Promise<Lease> {
    const { link, spec } = what;
    const wanted = spec.request.ipv4;
    const cannot = (reason: string): string => `cannot get an address on network "${spec.network.name}": ${reason}`;
    const timeoutMs = dhcpTimeoutSeconds(spec.network.ipam.options) * 1000;
    let lease: Lease;
    try {
      lease = await leases.acquire(link, { timeoutMs, ...(wanted === undefined ? {} : { address: wanted }) });
    } catch (error) {
      if (!(error instanceof FairwayError)) throw error;
      const { code, kind } = error;
      throw new FairwayError(cannot(error.message), { code, kind, cause: error });
    }
    if (wanted === undefined || lease.address.ip === wanted) return lease;
    // A server that does not hear of it finds out when the lease ends.
    await leases.release(link, lease).catch(() => {});
    throw invalid('dhcp_other_address', cannot(`the DHCP server lends ${lease.address.ip} and not ${wanted}`));
  }

  /** In the sandbox's turn. Most renewals change nothing but times. */
  async #renewed({ id, sandboxId }: EndpointRecord, lease: Lease): Promise<void> {
    const { state, store, host, wiring, resolver, log } = this.#deps;
    const sandbox = state.sandboxes.get(sandboxId);
    const old = sandbox?.endpoints.find(({ record }) => record.id === id);
    if (sandbox === undefined || old === undefined) return;
    const endpoint = withNewLease(old, lease);
    const endpoints = sandbox.endpoints.map((other) => (other === old ? endpoint : other));
    const before = old.record.lease;
    if (before !== undefined && !sameTerms(before, lease)) {
      log.warn(
        { endpoint: id, before: before.address, after: lease.address },
        'a DHCP server lends something else now',
      );
      await using undo = new Undo({ log }, `change the address of endpoint ${id}`);
      const moved = before.address.ip !== lease.address.ip || before.address.prefix !== lease.address.prefix;
      const change = moved ? { add: lease.address, remove: before.address } : {};
      host.changeAddress(old.spec.sandboxPath, old.spec.ifname, { ...change, mtu: lease.mtu });
      if (moved) old.network.driver?.moveAddress?.(old.spec, { from: before.address, to: lease.address });
      host.addRoutes(old.spec.sandboxPath, old.spec.ifname, lease.routes);
      const named = dnsEndpoint(endpoint);
      if (named !== undefined) await resolver.addEndpoint(named);
      sandbox.record = withPorts(sandbox.record, await wiring.change(sandbox, endpoints, undo));
      undo.keep();
    }
    await store.commit([put.endpoint({ order: endpoint.order, endpoint: endpoint.record })]);
    sandbox.endpoints = endpoints;
    state.addEndpoint(endpoint);
  }
}

/** Whether containers on it get their IPv4 addresses from a DHCP server. */
export function isLent({ ipam }: Pick<NetworkRecord, 'ipam'>): boolean {
  return ipam.driver === 'dhcp';
}

/** How long a server has to answer, `--ipam-opt timeout=SECONDS`. Throws for an option that is not known. */
export function dhcpTimeoutSeconds(options: Readonly<Record<string, string>>): number {
  const unknown = Object.keys(options).find((key) => key !== 'timeout');
  if (unknown !== undefined) {
    throw invalid('unknown_option', `unknown option "${unknown}" of IPAM driver dhcp: there is "timeout" alone`);
  }
  const { timeout = String(DEFAULT_TIMEOUT_SECONDS) } = options;
  const seconds = /^\d{1,3}$/.test(timeout) ? Number(timeout) : 0;
  if (seconds >= 1 && seconds <= 300) return seconds;
  throw invalid(
    'invalid_option',
    `invalid value "${timeout}" of option "timeout" of IPAM driver dhcp: it must be 1 to 300 seconds`,
  );
}

/** An attachment as it is with a lease. */
export function withLease(attachment: Attachment, network: NetworkRecord, lease: Lease): Attachment {
  const { gateway4: _old, ...rest } = attachment;
  if (network.internal) return rest;
  const routes = lease.routes.length > 0 ? { routes: lease.routes } : {};
  return { ...rest, ...routes, ...(lease.gateway === undefined ? {} : { gateway4: lease.gateway }) };
}

function withNewLease(old: LiveEndpoint, lease: Lease): LiveEndpoint {
  const { gateway4: _old, ...record } = old.record;
  const attachment = withLease(old.attachment, old.network.record, lease);
  const gateway = attachment.gateway4 === undefined ? {} : { gateway4: attachment.gateway4 };
  return {
    ...old,
    attachment,
    spec: { ...old.spec, ipv4: lease.address },
    record: { ...record, ...gateway, ipv4: lease.address, lease },
  };
}

function leaseLink(spec: AttachSpec, attachment: Attachment, hostname: string): LeaseLink {
  const { sandboxPath, ifname, ownerId, network } = spec;
  const { mac } = attachment;
  return { sandboxPath, ifname, ownerId, networkId: network.id, hostname, ...(mac === undefined ? {} : { mac }) };
}

function sameTerms(a: Lease, b: Lease): boolean {
  const terms = ({ address, gateway, routes, mtu, dns, domain }: Lease): string =>
    JSON.stringify([address, gateway, routes, mtu, dns, domain]);
  return terms(a) === terms(b);
}
