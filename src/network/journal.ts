import type { Id, Ip } from '../base/index.ts';
import type {
  Attachment,
  AttachSpec,
  EndpointNews,
  EndpointRecord,
  NetworkRecord,
  SandboxRecord,
  Store,
  StoreOperation,
} from '../model/index.ts';

/** An endpoint as stored, with its place among the others of its sandbox. */
export interface StoredEndpoint {
  readonly order: number;
  readonly endpoint: EndpointRecord;
}

/** What {@link NetworkDriver.detach} needs, without any other record. */
export interface Leftover {
  readonly driver: string;
  readonly spec: AttachSpec;
  readonly state: Attachment['state'];
}

/**
 * What was begun and not finished: written before the kernel is touched, deleted in the commit that finishes. After a
 * `kill -9` it tells what to clean up.
 */
export type Unfinished =
  | { readonly kind: 'network'; readonly network: NetworkRecord }
  | { readonly kind: 'sandbox'; readonly path: string; readonly endpoints: readonly Leftover[] }
  | { readonly kind: 'endpoint'; readonly endpoint: Leftover };

/** How sandboxes, endpoints and what is begun on them are committed: a reboot takes all of it away. */
export const THIS_BOOT = { thisBoot: true } as const;

const NETWORKS = 'networks/';
const SANDBOXES = 'sandboxes/';
const ENDPOINTS = 'endpoints/';
const UNFINISHED = 'unfinished/';
const HERE = 'here/';
const NODES = 'nodes/';
const REMOTE = 'remote/';

export const put = {
  network: (network: NetworkRecord): StoreOperation => ({ put: `${NETWORKS}${network.id}`, value: network }),
  sandbox: (sandbox: SandboxRecord): StoreOperation => ({ put: `${SANDBOXES}${sandbox.id}`, value: sandbox }),
  endpoint: (stored: StoredEndpoint): StoreOperation => ({ put: `${ENDPOINTS}${stored.endpoint.id}`, value: stored }),
  unfinished: (id: Id, value: Unfinished): StoreOperation => ({ put: `${UNFINISHED}${id}`, value }),
  /** A network of global scope exists in this host's kernel. */
  here: (id: Id, value: MadeHere): StoreOperation => ({ put: `${HERE}${id}`, value }),
  /** The underlay address of a node of the cluster. */
  node: (id: Id, value: Ip): StoreOperation => ({ put: `${NODES}${id}`, value }),
  /** What the cluster has told of an endpoint on another node. */
  remote: (value: RemoteEndpoint): StoreOperation => ({ put: remoteKey(value.networkId, value.endpointId), value }),
};

export const drop = {
  network: (id: Id): StoreOperation => ({ delete: `${NETWORKS}${id}` }),
  sandbox: (id: Id): StoreOperation => ({ delete: `${SANDBOXES}${id}` }),
  endpoint: (id: Id): StoreOperation => ({ delete: `${ENDPOINTS}${id}` }),
  unfinished: (id: Id): StoreOperation => ({ delete: `${UNFINISHED}${id}` }),
  here: (id: Id): StoreOperation => ({ delete: `${HERE}${id}` }),
  node: (id: Id): StoreOperation => ({ delete: `${NODES}${id}` }),
  remote: (networkId: Id, id: Id): StoreOperation => ({ delete: remoteKey(networkId, id) }),
};

/** An endpoint on another node, and where that is. */
export type RemoteEndpoint = EndpointNews['set'][number];

/** What the driver wants to remember of a network of global scope on this host alone. */
export interface MadeHere {
  readonly state?: NetworkRecord['driverState'];
}

export interface StoredState {
  readonly networks: readonly NetworkRecord[];
  readonly sandboxes: readonly SandboxRecord[];
  /** In the order of attachment. */
  readonly endpoints: readonly StoredEndpoint[];
  readonly unfinished: readonly { readonly id: Id; readonly what: Unfinished }[];
  readonly here: ReadonlyMap<Id, MadeHere>;
  readonly nodes: ReadonlyMap<Id, Ip>;
  readonly remote: readonly RemoteEndpoint[];
}

export async function loadUnfinished(store: Store): Promise<StoredState['unfinished']> {
  const found = await store.list<Unfinished>(UNFINISHED);
  return found.map(({ key, value }) => ({ id: key.slice(UNFINISHED.length) as Id, what: value }));
}

/** All of a network that are remembered; of all networks when none is given. */
export async function loadRemote(store: Store, networkId?: Id): Promise<readonly RemoteEndpoint[]> {
  const found = await store.list<RemoteEndpoint>(networkId === undefined ? REMOTE : `${REMOTE}${networkId}/`);
  return found.map(({ value }) => value);
}

function remoteKey(networkId: Id, id: Id): string {
  return `${REMOTE}${networkId}/${id}`;
}

export async function loadState(store: Store): Promise<StoredState> {
  const [networks, sandboxes, endpoints, unfinished, here, nodes, remote] = await Promise.all([
    store.list<NetworkRecord>(NETWORKS),
    store.list<SandboxRecord>(SANDBOXES),
    store.list<StoredEndpoint>(ENDPOINTS),
    loadUnfinished(store),
    store.list<MadeHere>(HERE),
    store.list<Ip>(NODES),
    loadRemote(store),
  ]);
  return {
    networks: networks.map(({ value }) => value),
    sandboxes: sandboxes.map(({ value }) => value),
    endpoints: endpoints.map(({ value }) => value).sort((a, b) => a.order - b.order),
    unfinished,
    here: new Map(here.map(({ key, value }) => [key.slice(HERE.length) as Id, value])),
    nodes: new Map(nodes.map(({ key, value }) => [key.slice(NODES.length) as Id, value])),
    remote,
  };
}
