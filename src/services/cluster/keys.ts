import type { Cidr, Id, Ip } from '../../base/index.ts';
import type { NetworkRecord } from '../../model/index.ts';

/** Of everything below. Another number means that programs of this one would misread what is there. */
export const SCHEMA_VERSION = 1;

/** `schema`. */
export interface StoredSchema {
  readonly version: number;
  /** Random, made once: seeds what must differ between clusters. */
  readonly cluster: Id;
}

/** `pools`: the subnets of all networks. */
export type StoredPools = readonly { readonly networkId: Id; readonly subnet: Cidr }[];

/** `networks/<id>`. */
export interface StoredNetwork {
  readonly network: NetworkRecord;
  /** The node that is removing it: nobody may join. */
  readonly removing?: Id;
}

/** `names/<name>` and `vnis/<vni>`. */
export interface StoredOwner {
  readonly networkId: Id;
}

/** `nodes/<id>`. */
export interface StoredNode {
  readonly name: string;
  readonly address: Ip;
}

/** `addresses/<network>/<ip>`. */
export interface StoredAddress {
  readonly endpointId: Id;
  readonly nodeId: Id;
}

/** `blocks/<network>/<first address>`. */
export interface StoredBlock {
  readonly nodeId: Id;
}

export const keys = {
  schema: 'schema',
  pools: 'pools',
  names: 'names/',
  name: (name: string): string => `names/${name}`,
  vnis: 'vnis/',
  vni: (vni: number): string => `vnis/${vni}`,
  networks: 'networks/',
  network: (id: Id): string => `networks/${id}`,
  nodes: 'nodes/',
  node: (id: Id): string => `nodes/${id}`,
  alive: 'alive/',
  aliveNode: (id: Id): string => `alive/${id}`,
  endpointsOf: (networkId: Id): string => `endpoints/${networkId}/`,
  endpoint: (networkId: Id, endpointId: Id): string => `endpoints/${networkId}/${endpointId}`,
  addressesOf: (networkId: Id): string => `addresses/${networkId}/`,
  address: (networkId: Id, ip: Ip): string => `addresses/${networkId}/${ip}`,
  blocksOf: (networkId: Id): string => `blocks/${networkId}/`,
  block: (networkId: Id, { ip }: Cidr): string => `blocks/${networkId}/${ip}`,
};

/** The last part of a key. */
export function leafOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

/** What a key under `endpoints/` names; undefined for other keys. */
export function endpointOfKey(key: string): { readonly networkId: Id; readonly endpointId: Id } | undefined {
  const [kind, networkId, endpointId] = key.split('/');
  if (kind !== 'endpoints' || networkId === undefined || endpointId === undefined) return undefined;
  return { networkId: networkId as Id, endpointId: endpointId as Id };
}

/** The network of a key under `blocks/`; undefined for other keys. */
export function networkOfBlockKey(key: string): Id | undefined {
  const [kind, networkId] = key.split('/');
  return kind === 'blocks' ? (networkId as Id | undefined) : undefined;
}
