import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { familyOf, type Ip, invalid, messageOf, tryParseIp, unavailable } from './base/index.ts';
import type { AddressOrLink, ClusterConfig, ClusterStoreConfig } from './config/index.ts';
import type { EtcdStoreOptions } from './store/index.ts';

/** What a daemon in a cluster is told. */
export interface ClusterOptions {
  readonly store: EtcdStoreOptions;
  /** For `docker info`. */
  readonly url: string;
  /** Where other nodes reach this one; the port is only shown. */
  readonly advertise: { readonly address: Ip; readonly port?: number };
  readonly heartbeatSeconds: number;
  readonly presenceSeconds: number;
  readonly dataPath: DataPathOptions;
}

export interface DataPathOptions {
  /** Underlay address of this node. */
  readonly address: Ip;
  /** UDP port of VXLAN. */
  readonly port: number;
}

/** Undefined where no store is configured. Reads the password's file and looks up links. */
export function clusterOptions(config: ClusterConfig): ClusterOptions | undefined {
  const { store, advertise } = config;
  if (store === undefined || advertise === undefined) return undefined;
  const address = addressOf(advertise.on, 'cluster-advertise');
  const { heartbeatSeconds, presenceSeconds, url } = store;
  return {
    store: storeOptions(store),
    url,
    advertise: { address, ...(advertise.port !== undefined && { port: advertise.port }) },
    heartbeatSeconds,
    presenceSeconds,
    dataPath: dataPathOptions(config, address),
  };
}

export function dataPathOptions({ dataPath }: ClusterConfig, advertised: Ip): DataPathOptions {
  return {
    address: dataPath.on === undefined ? advertised : addressOf(dataPath.on, 'cluster-data-path-addr'),
    port: dataPath.port,
  };
}

function storeOptions({ endpoints, prefix, tls, login }: ClusterStoreConfig): EtcdStoreOptions {
  return {
    endpoints,
    spread: true,
    prefix,
    ...(tls && { tls }),
    ...(login && { login: { user: login.user, password: login.password ?? passwordIn(login.passwordFile ?? '') } }),
  };
}

function passwordIn(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw invalid(
      'invalid_config',
      `invalid value ${JSON.stringify(path)} for "cluster-store-opts.kv.passwordfile": ${messageOf(error)}`,
      error,
    );
  }
}

/** The first global address of a link; IPv4 before IPv6. */
export function addressOf(on: AddressOrLink, key: string, links = networkInterfaces()): Ip {
  if (on.address !== undefined) return on.address;
  const found = (links[on.link] ?? [])
    .map(({ address }) => tryParseIp(address))
    .filter((address) => address !== undefined)
    .filter((address) => !address.startsWith('fe80:'))
    .sort((a, b) => familyOf(a) - familyOf(b));
  const [address] = found;
  if (address !== undefined) return address;
  const why =
    links[on.link] === undefined ? 'there is no such link that is up and has an address' : 'it has no address';
  throw unavailable('advertise_no_address', `invalid value ${JSON.stringify(on.link)} for "${key}": ${why}`);
}
