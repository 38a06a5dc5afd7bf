import { FairwayError, forbidden, type Id, invalid, notFound, systemClock } from '../../base/index.ts';
import type { EndpointRecord, NetworkRecord } from '../../model/index.ts';
import type { ApiDeps } from '../deps.ts';
import { encodeNetwork, PREDEFINED } from '../encode/index.ts';
import {
  boolFilter,
  boolOf,
  type Call,
  type Filters,
  filtersOf,
  hasLabels,
  noContent,
  ok,
  passesLabels,
  type Route,
  strictBoolOf,
  timeOf,
} from '../http/index.ts';
import {
  assertAllowedOn,
  ConnectBody,
  DisconnectBody,
  NetworkCreateBody,
  parseEndpoint,
  parseNetworkCreate,
} from '../wire/index.ts';

type Deps = Pick<ApiDeps, 'networks' | 'containers' | 'clock'>;

const LIST_FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'];

export function networkRoutes(deps: Deps): Route[] {
  return [
    { method: 'GET', path: '/networks', handle: (call) => list(deps, call) },
    { method: 'POST', path: '/networks/create', handle: (call) => create(deps, call) },
    { method: 'POST', path: '/networks/prune', handle: (call) => prune(deps, call) },
    { method: 'GET', path: '/networks/:id*', handle: (call) => inspect(deps, call) },
    { method: 'POST', path: '/networks/:id*/connect', handle: (call) => connect(deps, call) },
    { method: 'POST', path: '/networks/:id*/disconnect', handle: (call) => disconnect(deps, call) },
    { method: 'DELETE', path: '/networks/:id*', handle: (call) => remove(deps, call) },
  ];
}

async function list({ networks, containers }: Deps, call: Call) {
  const filters = filtersOf(call.query, LIST_FILTERS);
  const kept = networks.list().filter((network) => passes(network, filters, () => networks.endpointsOf(network.id)));
  if (call.version >= 28) return ok(kept.map((network) => encodeNetwork(network, { version: call.version })));
  const owners = await ownersOf(containers);
  return ok(
    kept.map((network) =>
      encodeNetwork(network, { version: call.version, endpoints: networks.endpointsOf(network.id), owners }),
    ),
  );
}

function passes(network: NetworkRecord, filters: Filters, endpoints: () => readonly EndpointRecord[]): boolean {
  const predefined = PREDEFINED.includes(network.name);
  const dangling = boolFilter(filters, 'dangling');
  if (dangling !== undefined && dangling !== (!predefined && endpoints().length === 0)) return false;
  for (const type of filters.type ?? []) {
    if (type !== 'custom' && type !== 'builtin') throw invalid('invalid_filter', `invalid filter: 'type'='${type}'`);
    if ((type === 'builtin') !== predefined) return false;
  }
  return (
    oneOf(filters.driver, (driver) => driver === network.driver) &&
    oneOf(filters.scope, (scope) => scopeNamed(scope) === network.scope) &&
    oneOf(filters.id, (pattern) => matches(pattern, network.id)) &&
    oneOf(filters.name, (pattern) => matches(pattern, network.name)) &&
    hasLabels(network.labels, filters.label)
  );
}

/** `swarm` is Docker's word for networks of all hosts. */
function scopeNamed(scope: string): string {
  return scope === 'swarm' ? 'global' : scope;
}

function oneOf(wanted: readonly string[] | undefined, test: (value: string) => boolean): boolean {
  return wanted === undefined || wanted.length === 0 || wanted.some(test);
}

/** Docker takes the value of `name` and `id` for a regular expression. */
function matches(pattern: string, value: string): boolean {
  if (value.includes(pattern)) return true;
  try {
    return new RegExp(pattern).test(value);
  } catch {
    return false;
  }
}

/** The container behind each endpoint. */
async function ownersOf(containers: Deps['containers']): Promise<ReadonlyMap<Id, Id>> {
  const views = await containers.list({ all: true, filters: {} });
  return new Map(views.flatMap((view) => view.endpoints.map((endpoint) => [endpoint.id, view.id] as const)));
}

async function inspect({ networks, containers }: Deps, call: Call) {
  // Verbose adds services, of which a host on its own has none.
  strictBoolOf(call.query, 'verbose');
  const network = networks.find(call.params.id ?? '');
  const scope = call.query.get('scope');
  if (scope && scopeNamed(scope) !== network.scope) {
    throw notFound('network_not_found', `network ${call.params.id} not found`);
  }
  const endpoints = networks.endpointsOf(network.id);
  const owners = endpoints.length > 0 ? await ownersOf(containers) : new Map<Id, Id>();
  const spoofed = boolOf(call.query, 'verbose') ? { spoofed: networks.spoofedFrames(network.id) } : {};
  const peers = await networks.peersOf(network.id);
  return ok(encodeNetwork(network, { version: call.version, endpoints, owners, peers, ...spoofed }));
}

async function create({ networks }: Deps, call: Call) {
  const body = await call.json(NetworkCreateBody);
  if (!body) throw invalid('empty_body', 'invalid JSON: got EOF while reading request body');
  const { network, warning } = await networks.create(parseNetworkCreate(body, call.version));
  return ok({ Id: network.id, Warning: warning }, 201);
}

async function connect({ networks, containers }: Deps, call: Call) {
  const body = await call.json(ConnectBody);
  if (!body) throw invalid('empty_body', 'invalid JSON: got EOF while reading request body');
  // The container first, as in Docker, where both are unknown.
  await assertKnown(containers, body.Container);
  const network = networks.find(call.params.id ?? '');
  if (network.configOnly) {
    throw forbidden('config_only', 'cannot create endpoint on configuration-only network');
  }
  const request = parseEndpoint(body.EndpointConfig);
  assertAllowedOn(network.name, request);
  await containers.connect(body.Container, unambiguous(networks, network), request);
  return { status: 200 };
}

async function disconnect({ networks, containers }: Deps, call: Call) {
  const body = await call.json(DisconnectBody);
  if (!body) throw invalid('empty_body', 'invalid JSON: got EOF while reading request body');
  if (!body.Force) await assertKnown(containers, body.Container);
  const network = networks.find(call.params.id ?? '');
  if (body.Force) await assertKnown(containers, body.Container, { byForce: true });
  await containers.disconnect(body.Container, unambiguous(networks, network), { force: body.Force });
  return { status: 200 };
}

/** A network of this host and one of the cluster may have one name: the other goes by its id. */
function unambiguous(networks: Deps['networks'], { name, id }: NetworkRecord): string {
  return networks.find(name).id === id ? name : id;
}

async function assertKnown(
  containers: Deps['containers'],
  ref: string,
  { byForce = false }: { readonly byForce?: boolean } = {},
): Promise<void> {
  if (ref === '') throw invalid('no_container', 'invalid name or ID supplied: ""');
  try {
    await containers.inspect(ref, { size: false });
  } catch (error) {
    if (!byForce || !(error instanceof FairwayError) || error.kind !== 'notFound') throw error;
    // By force Docker looks for an endpoint of that name where there is no container; ours end with their containers.
    throw notFound('endpoint_not_found', `endpoint ${ref} not found`);
  }
}

async function remove({ networks }: Deps, call: Call) {
  await networks.remove(call.params.id ?? '');
  return noContent();
}

async function prune({ networks, clock = systemClock }: Deps, call: Call) {
  const filters = filtersOf(call.query, ['label', 'label!', 'until']);
  const limits = (filters.until ?? []).map((text) => timeOf(text, clock.now()));
  const removed = await networks.prune((network) => {
    const young = limits.some((limit) => BigInt(network.created) >= limit);
    return young || !passesLabels(network.labels, filters);
  });
  return ok({ NetworksDeleted: removed.length > 0 ? removed : null });
}
