import { dirname, join } from 'node:path';
import { cidrText, familyOf, networkOf } from './base/index.ts';
import type { DaemonConfig, NetworkConfig, ReloadableConfig } from './config/index.ts';
import type { RegistryOptions } from './containers/registry/index.ts';
import type { EngineOptions } from './engine.ts';
import { clusterOptions } from './engine-cluster-options.ts';
import type { PoolRequest } from './model/index.ts';
import type { DefaultBridge } from './network/index.ts';
import { VERSION } from './version.ts';

const RESOLV_CONF = '/etc/resolv.conf';
/** What users of Docker have. */
const DOCKER_CERTIFICATES = '/etc/docker/certs.d';

/** The configuration in the engine's words. `current` gives what a reload may have changed. */
export function engineOptions(config: DaemonConfig, current: () => ReloadableConfig): EngineOptions {
  const { network, containers } = config;
  const cluster = clusterOptions(config.cluster);
  return {
    version: VERSION,
    dataRoot: config.dataRoot,
    execRoot: config.execRoot,
    containerd: {
      namespace: config.containerd.namespace,
      ...(config.containerd.address === undefined ? {} : { socketPath: config.containerd.address }),
      ...(config.storageDriver === undefined ? {} : { snapshotter: config.storageDriver }),
    },
    network: {
      defaultBridge: defaultBridge(network),
      pools: network.addressPools,
      ipForward: network.ipForward,
      relay: network.userlandProxy,
      respectHostFirewall: network.respectHostFirewall,
      resolvConf: RESOLV_CONF,
      dns: { servers: network.dns, search: network.dnsSearch, options: network.dnsOptions },
    },
    ...(cluster && { cluster }),
    clusterConfig: config.cluster,
    containers: {
      logDriver: containers.logDriver,
      logOptions: containers.logOptions,
      defaultUlimits: containers.defaultUlimits,
      init: containers.init,
      shmSize: containers.shmSizeBytes,
      ipcMode: containers.ipcMode,
      noNewPrivileges: containers.noNewPrivileges,
      ...(containers.cgroupnsMode === undefined ? {} : { cgroupnsMode: containers.cgroupnsMode }),
      ...(containers.seccompProfile === undefined ? {} : { seccompProfile: containers.seccompProfile }),
      ...(containers.initPath === undefined ? {} : { initPath: containers.initPath }),
      ...(containers.cgroupParent === undefined ? {} : { cgroupParent: containers.cgroupParent }),
      ...(network.hostGatewayIps.length === 0 ? {} : { hostGatewayIps: network.hostGatewayIps }),
    },
    registry: {
      ...registryOptions(config.reloadable),
      proxies: config.proxies,
      certificateFolders: [join(dirname(config.configFile), 'certs.d'), DOCKER_CERTIFICATES],
    },
    facts: () => {
      const { debug, liveRestore, labels, insecureRegistries, registryMirrors } = current();
      return {
        debug,
        liveRestore,
        labels,
        insecureRegistries,
        registryMirrors,
        proxies: config.proxies,
        experimental: config.experimental,
      };
    },
  };
}

/** What a reload may change of it. */
export function registryOptions(config: ReloadableConfig): RegistryOptions {
  return {
    insecureRegistries: config.insecureRegistries,
    mirrors: config.registryMirrors,
    maxDownloads: config.maxConcurrentDownloads,
    maxUploads: config.maxConcurrentUploads,
    maxAttempts: config.maxDownloadAttempts,
  };
}

/** `--bip`, `--fixed-cidr`, `--bridge`, … */
function defaultBridge(network: NetworkConfig): DefaultBridge | false {
  if (network.bridge === 'none') return false;
  return {
    ...(network.bridge === undefined ? {} : { name: network.bridge }),
    mtu: network.mtu,
    icc: network.icc,
    masquerade: network.masquerade,
    enableIpv6: network.ipv6,
    ...(network.hostBinding === undefined ? {} : { hostBinding: network.hostBinding }),
    pools: [
      ...pool(network.bip, network.fixedCidr, network.defaultGateway),
      ...pool(network.bip6, network.fixedCidr6, network.defaultGateway6),
    ],
  };
}

function pool(
  bip: NetworkConfig['bip'],
  fixed: NetworkConfig['fixedCidr'],
  gateway: NetworkConfig['defaultGateway'],
): PoolRequest[] {
  const within = bip ?? fixed;
  if (within === undefined) return [];
  const subnet = networkOf(within);
  return [
    {
      subnet,
      ...(bip === undefined ? {} : { gateway: bip.ip }),
      ...(gateway !== undefined && familyOf(gateway) === familyOf(subnet.ip) ? { gateway } : {}),
      ...(fixed !== undefined && bip !== undefined && cidrText(networkOf(fixed)) !== cidrText(subnet)
        ? { ipRange: networkOf(fixed) }
        : {}),
    },
  ];
}
