import {
  type FairwayError,
  familyOf,
  forbidden,
  type IpFamily,
  invalid,
  isObjectName,
  notFound,
  unavailable,
} from '../base/index.ts';
import type { NetworkDriver, NetworkRecord, NetworkRequest, PoolRequest, Scope } from '../model/index.ts';
import { checkPoolRequests } from '../services/ipam/index.ts';
import { dhcpTimeoutSeconds } from './endpoints/index.ts';
import { isPredefined } from './lookup.ts';

export type PlannedNetwork = Omit<NetworkRecord, 'id' | 'created' | 'pools' | 'driverState'>;

export interface RequestContext {
  readonly drivers: ReadonlyMap<string, NetworkDriver>;
  readonly findByName: (name: string) => NetworkRecord | undefined;
  /** Drivers that have their one network already. */
  readonly taken: ReadonlySet<string>;
  /** Made by the daemon itself. */
  readonly predefined: boolean;
  /** This host is in a cluster: networks may be of global scope. */
  readonly clustered: boolean;
}

const HINT = 'With Fairway: "fairway cluster init" or "fairway cluster join".';
const DEFAULT_DRIVER = 'bridge';
/** `null` gives no addresses; `dhcp` leaves them to a server of the network. */
const IPAM_DRIVERS = new Set(['default', 'null', 'dhcp']);

/** Checks all that can be said of a request without the kernel, and fills in what it leaves out. */
export function planNetwork(request: NetworkRequest, context: RequestContext): PlannedNetwork {
  checkName(request.name, context.predefined);
  const scope = scopeOf(request, context);
  const merged = request.configFrom === undefined ? request : mergeConfig(request, context);
  const families = enabledFamilies(merged);
  const requested = merged.ipam?.pools ?? [];
  checkPoolRequests(requested);
  return {
    name: request.name,
    scope,
    driver: request.configOnly === true ? 'null' : (request.driver ?? DEFAULT_DRIVER),
    ...families,
    internal: request.internal ?? false,
    attachable: request.attachable ?? false,
    ingress: false,
    configOnly: request.configOnly ?? false,
    ...(request.configFrom === undefined ? {} : { configFrom: request.configFrom }),
    options: merged.options ?? {},
    labels: merged.labels ?? {},
    ipam: { driver: ipamDriver(merged), options: merged.ipam?.options ?? {}, requested },
  };
}

/** The driver of a planned network; none for a configuration-only one. */
export function driverFor(plan: PlannedNetwork, context: RequestContext): NetworkDriver | undefined {
  if (plan.configOnly) return undefined;
  const driver = context.drivers.get(plan.driver);
  if (driver === undefined) throw notFound('driver_not_found', `plugin "${plan.driver}" not found`);
  if (driver.traits.predefinedOnly && (context.taken.has(plan.driver) || !context.predefined)) {
    throw forbidden('driver_single', `only one instance of "${plan.driver}" network is allowed`);
  }
  return driver;
}

/** Addresses that are not ours to give go with some kinds of networks, and with no pool. */
export function checkForeignAddresses({ ipam }: PlannedNetwork, driver: NetworkDriver): void {
  if (ipam.driver === 'default' || !driver.traits.usesIpam) return;
  if (driver.traits.takesForeignAddresses !== true) {
    throw invalid('ipam_driver_unsuitable', `${driver.traits.name} networks cannot use IPAM driver "${ipam.driver}"`);
  }
  if (ipam.requested.length > 0) {
    throw invalid('ipam_driver_pools', `IPAM driver "${ipam.driver}" takes neither subnets nor gateways`);
  }
  if (ipam.driver === 'dhcp') dhcpTimeoutSeconds(ipam.options);
}

/** The pools to ask IPAM for: those given, and one of our choice for an enabled family without any. */
export function poolRequests(plan: PlannedNetwork): readonly { family: IpFamily; request: PoolRequest }[] {
  if (plan.ipam.driver !== 'default') return [];
  const given = plan.ipam.requested.map((request) => ({ family: poolFamily(request), request }));
  const families: readonly (readonly [IpFamily, boolean])[] = [
    [4, plan.enableIpv4],
    [6, plan.enableIpv6],
  ];
  return families.flatMap(([family, enabled]) => {
    const own = given.filter((pool) => pool.family === family);
    if (!enabled) return [];
    return own.length > 0 ? own : [{ family, request: {} }];
  });
}

function poolFamily(request: PoolRequest): IpFamily {
  return request.subnet === undefined ? 4 : familyOf(request.subnet.ip);
}

function checkName(name: string, predefined: boolean): void {
  if (name === '') throw invalid('invalid_name', 'invalid network name: name is empty');
  if (!predefined && isPredefined(name)) {
    throw forbidden('network_predefined', `operation is not permitted on predefined ${name} network `);
  }
  if (name.length > 255 || !isObjectName(name)) {
    throw invalid('invalid_name', `invalid network name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
}

function scopeOf(request: NetworkRequest, { clustered, drivers }: RequestContext): Scope {
  if (request.configOnly === true) return 'local';
  const name = request.driver ?? DEFAULT_DRIVER;
  if (request.ingress === true) throw notSwarmManager();
  if (name === 'overlay' && !clustered) throw notSwarmManager(` ${HINT}`);
  if (request.scope === 'global' && !clustered) throw swarmInactive();
  const traits = drivers.get(name)?.traits;
  const scope = request.scope ?? traits?.scope ?? 'local';
  if (traits === undefined || scope === traits.scope) return scope;
  if (scope === 'global' && traits.mayBeGlobal === true) return checkGlobalAddresses(request);
  throw invalid(
    'invalid_scope',
    `cannot create network "${request.name}": ${name} networks cannot be of ${scope} scope`,
  );
}

/** Hosts agree on addresses that are ours to give. */
function checkGlobalAddresses(request: NetworkRequest): Scope {
  const driver = ipamDriver(request);
  if (driver === 'default') return 'global';
  throw invalid('ipam_driver_unsuitable', `networks of global scope cannot use IPAM driver "${driver}"`);
}

/** Docker's text, which clients know, and then what is to be done here. */
function notSwarmManager(hint = ''): FairwayError {
  return unavailable(
    'not_swarm_manager',
    `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.${hint}`,
  );
}

export function swarmInactive(): FairwayError {
  return forbidden('swarm_inactive', `cannot create a swarm scoped network when swarm is not active. ${HINT}`);
}

function ipamDriver(request: NetworkRequest): string {
  const name = request.ipam?.driver ?? '';
  if (name === '' || IPAM_DRIVERS.has(name)) return name === '' ? 'default' : name;
  throw notFound('ipam_driver_not_found', `plugin "${name}" not found`);
}

function mergeConfig(request: NetworkRequest, context: RequestContext): NetworkRequest {
  const name = request.configFrom ?? '';
  if (request.configOnly === true) {
    throw forbidden('config_from_config', 'a configuration network cannot depend on another configuration network');
  }
  const config = context.findByName(name);
  if (config === undefined) throw notFound('network_not_found', `network ${name} not found`);
  if (!config.configOnly) {
    throw forbidden('not_config_only', `network ${name} is not a configuration network`);
  }
  const pools = request.ipam?.pools ?? [];
  if (pools.length > 0 || Object.keys(request.options ?? {}).length > 0) {
    throw forbidden(
      'config_conflict',
      'user specified configurations are not supported if the network depends on a configuration network',
    );
  }
  return {
    ...request,
    enableIpv4: config.enableIpv4,
    enableIpv6: config.enableIpv6,
    options: config.options,
    labels: { ...config.labels, ...request.labels },
    ipam: { driver: config.ipam.driver, options: config.ipam.options, pools: config.ipam.requested },
  };
}

/** The fields win; the options of the same meaning count where a field is absent. */
function enabledFamilies(request: NetworkRequest): Pick<NetworkRecord, 'enableIpv4' | 'enableIpv6'> {
  const byOption = (family: IpFamily): boolean | undefined => {
    const key = `com.docker.network.enable_ipv${family}`;
    const value = request.options?.[key];
    if (value === undefined) return undefined;
    if (/^(1|t|true|0|f|false)$/i.test(value)) return /^(1|t|true)$/i.test(value);
    throw invalid(
      'invalid_option',
      `invalid value ${JSON.stringify(value)} of option "${key}": it must be true or false`,
    );
  };
  const enableIpv4 = request.enableIpv4 ?? byOption(4) ?? true;
  const enableIpv6 = request.enableIpv6 ?? byOption(6) ?? false;
  if (!enableIpv4 && !enableIpv6) throw invalid('no_family', 'IPv4 or IPv6 must be enabled');
  return { enableIpv4, enableIpv6 };
}
