import { type Log, messageOf } from '../base/index.ts';
import type { NetworkRecord, NetworkRequest, PoolRequest } from '../model/index.ts';
import { GATEWAY_NETWORK } from './lookup.ts';
import type { NetworkManager } from './networks.ts';
import type { NetworkState } from './state.ts';

/** The network called `bridge`, as the daemon is configured. */
export interface DefaultBridge {
  /** Its link. */
  readonly name?: string;
  readonly mtu?: number;
  readonly icc?: boolean;
  readonly masquerade?: boolean;
  /** `--ip`: the address published ports are bound to. */
  readonly hostBinding?: string;
  readonly enableIpv6?: boolean;
  /** `--bip`, `--fixed-cidr`, …; empty: chosen. */
  readonly pools?: readonly PoolRequest[];
}

const DEFAULT_LINK = 'fairway0';
/** At most 15 letters; Docker's own may be there, too. */
const GATEWAY_LINK = 'fairway_gw';

export interface PredefinedDeps {
  readonly networks: NetworkManager;
  readonly state: NetworkState;
  readonly log: Log;
}

/** Makes the networks that are always there, those that are missing or configured otherwise now. */
export async function makePredefined(deps: PredefinedDeps, bridge: DefaultBridge | false): Promise<void> {
  await ensure(deps, { name: 'none', driver: 'null', enableIpv4: true });
  await ensure(deps, { name: 'host', driver: 'host', enableIpv4: true });
  if (bridge !== false) await ensure(deps, defaultBridgeRequest(bridge));
  else await removeUnused(deps, 'bridge');
}

export function defaultBridgeRequest(bridge: DefaultBridge): NetworkRequest {
  const { name = DEFAULT_LINK, mtu = 1500, icc = true, masquerade = true, hostBinding = '0.0.0.0' } = bridge;
  return {
    name: 'bridge',
    driver: 'bridge',
    enableIpv4: true,
    enableIpv6: bridge.enableIpv6 ?? false,
    options: {
      'com.docker.network.bridge.default_bridge': 'true',
      'com.docker.network.bridge.enable_icc': String(icc),
      'com.docker.network.bridge.enable_ip_masquerade': String(masquerade),
      'com.docker.network.bridge.host_binding_ipv4': hostBinding,
      'com.docker.network.bridge.name': name,
      'com.docker.network.driver.mtu': String(mtu),
    },
    ipam: { pools: bridge.pools ?? [] },
  };
}

/** As Docker makes it: no words between containers, and a way out. Made when it is needed. */
export function gatewayNetworkRequest(): NetworkRequest {
  return {
    name: GATEWAY_NETWORK,
    driver: 'bridge',
    enableIpv4: true,
    options: {
      'com.docker.network.bridge.enable_icc': 'false',
      'com.docker.network.bridge.enable_ip_masquerade': 'true',
      'com.docker.network.bridge.name': GATEWAY_LINK,
    },
  };
}

async function ensure(deps: PredefinedDeps, request: NetworkRequest): Promise<void> {
  const existing = deps.state.networkByName(request.name);
  if (existing !== undefined) {
    if (isAsConfigured(existing.record, request)) return;
    if (!(await removeUnused(deps, request.name))) return;
  }
  await deps.networks.createPredefined(request);
}

function isAsConfigured(record: NetworkRecord, request: NetworkRequest): boolean {
  const facts = (network: Pick<NetworkRecord, 'options' | 'enableIpv6'>, pools: readonly PoolRequest[]): string =>
    JSON.stringify([Object.entries(network.options).sort(), network.enableIpv6, pools]);
  const wanted = { options: request.options ?? {}, enableIpv6: request.enableIpv6 ?? false };
  return facts(record, record.ipam.requested) === facts(wanted, request.ipam?.pools ?? []);
}

/** Containers on it keep it as it was. */
async function removeUnused({ networks, state, log }: PredefinedDeps, name: string): Promise<boolean> {
  const network = state.networkByName(name);
  if (network === undefined) return true;
  if (state.usersOf(network.record.id).length > 0) {
    log.warn({ network: name }, 'a network in use keeps its settings: the changed configuration is for later');
    return false;
  }
  try {
    await networks.removeAny(network);
    return true;
  } catch (error) {
    log.error({ network: name, reason: messageOf(error) }, 'cannot remove a predefined network');
    return false;
  }
}
