import { readFile } from 'node:fs/promises';
import { cpus, hostname, arch as machine, release, totalmem } from 'node:os';
import * as v from 'valibot';
import { FairwayError, rfc3339Nano, systemClock } from '../../base/index.ts';
import type { ApiDeps, EngineFacts } from '../deps.ts';
import { encodeImageSummary, encodeSummary, encodeVolume } from '../encode/index.ts';
import { type Answer, type Call, MAX_VERSION, MIN_VERSION, ok, type Route, versionText } from '../http/index.ts';
import { registryAuth } from './images.ts';

type Deps = Pick<ApiDeps, 'containers' | 'images' | 'volumes' | 'registry' | 'events' | 'facts' | 'clock'>;

export function systemRoutes(deps: Deps): Route[] {
  return [
    { method: 'GET', path: '/_ping', handle: ping },
    { method: 'HEAD', path: '/_ping', handle: ping },
    { method: 'GET', path: '/version', handle: () => version(deps) },
    { method: 'GET', path: '/info', handle: (call) => info(deps, call) },
    { method: 'GET', path: '/system/df', handle: (call) => diskUsage(deps, call) },
    { method: 'POST', path: '/auth', handle: (call) => login(deps, call) },
  ];
}

async function ping({ method }: Call): Promise<Answer> {
  const headers = {
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    Pragma: 'no-cache',
    Swarm: 'inactive',
    'Content-Type': 'text/plain; charset=utf-8',
  };
  // HEAD has the same headers and no body.
  return method === 'HEAD'
    ? { status: 200, headers: { ...headers, 'Content-Length': '0' } }
    : { status: 200, headers, body: 'OK' };
}

/** Go's names of architectures, which clients compare with. */
function goArchitecture(): string {
  return { x64: 'amd64', ia32: '386', arm: 'arm' }[machine() as string] ?? machine();
}

function kernelArchitecture(): string {
  return { x64: 'x86_64', arm64: 'aarch64' }[machine() as string] ?? machine();
}

async function version({ facts }: Deps): Promise<Answer> {
  const engine = await facts();
  const os = { Os: 'linux', Arch: goArchitecture(), KernelVersion: release() };
  const apiVersion = versionText(MAX_VERSION);
  const minimum = versionText(MIN_VERSION);
  const component = (Name: string, Version: string, Details: Readonly<Record<string, string>>) => ({
    Name,
    Version,
    Details,
  });
  return ok({
    Platform: { Name: 'Fairway' },
    Components: [
      component('Engine', engine.version, {
        ApiVersion: apiVersion,
        Arch: os.Arch,
        BuildTime: engine.buildTime,
        Experimental: String(engine.experimental),
        GitCommit: engine.gitCommit,
        GoVersion: `node ${process.version}`,
        KernelVersion: os.KernelVersion,
        MinAPIVersion: minimum,
        Os: os.Os,
      }),
      component('containerd', engine.containerd.version, { GitCommit: '' }),
      component('runc', engine.runcVersion, { GitCommit: '' }),
    ],
    Version: engine.version,
    ApiVersion: apiVersion,
    MinAPIVersion: minimum,
    GitCommit: engine.gitCommit,
    GoVersion: `node ${process.version}`,
    ...os,
    ...(engine.experimental ? { Experimental: true } : {}),
    BuildTime: engine.buildTime,
  });
}

async function operatingSystem(): Promise<string> {
  try {
    const text = await readFile('/etc/os-release', 'utf8');
    return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1] ?? 'Linux';
  } catch {
    return 'Linux';
  }
}

async function info(deps: Deps, call: Call): Promise<Answer> {
  const { containers, images, facts, clock = systemClock } = deps;
  const [engine, views, imageList, osName] = await Promise.all([
    facts(),
    containers.list({ all: true, filters: {} }),
    images.list(),
    operatingSystem(),
  ]);
  const counted = (test: (status: string) => boolean): number => views.filter(({ state }) => test(state.status)).length;
  const running = counted((status) => status === 'running' || status === 'restarting');
  const paused = counted((status) => status === 'paused');
  return ok({
    ID: engine.id,
    Containers: views.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: views.length - running - paused,
    Images: imageList.length,
    Driver: engine.storageDriver,
    DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']],
    DockerRootDir: engine.dataRoot,
    Plugins: {
      Volume: ['local'],
      Network: engine.networkDrivers,
      Authorization: null,
      Log: ['json-file', 'local', 'none'],
    },
    ...machineFacts(engine),
    ...(call.version < 44 ? { BridgeNfIptables: false, BridgeNfIp6tables: false } : {}),
    Debug: engine.debug,
    NFd: 0,
    NGoroutines: 0,
    SystemTime: rfc3339Nano(clock.nowNanos()),
    LoggingDriver: engine.loggingDriver,
    CgroupDriver: engine.cgroupDriver,
    CgroupVersion: engine.cgroupVersion,
    NEventsListener: 0,
    KernelVersion: release(),
    OperatingSystem: osName,
    OSVersion: '',
    OSType: 'linux',
    Architecture: kernelArchitecture(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(engine),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: null,
    HttpProxy: withoutPassword(engine.proxies.http),
    HttpsProxy: withoutPassword(engine.proxies.https),
    NoProxy: engine.proxies.none ?? '',
    Name: hostname(),
    Labels: engine.labels,
    ExperimentalBuild: engine.experimental,
    ServerVersion: engine.version,
    ...runtimeFacts(engine),
    DefaultAddressPools: engine.addressPools.map(({ base, size }) => ({ Base: base, Size: size })),
    // Left out from 1.42 on, as by Docker.
    ...(call.version < 42 && engine.cluster
      ? { ClusterStore: engine.cluster.store, ClusterAdvertise: engine.cluster.advertise }
      : {}),
    ...(call.version >= 49 ? { FirewallBackend: { Driver: 'nftables' } } : {}),
    Warnings: engine.warnings.length > 0 ? engine.warnings : null,
  });
}

function machineFacts(engine: EngineFacts) {
  const { limits } = engine;
  return {
    MemoryLimit: limits.memory,
    SwapLimit: limits.swap,
    OomKillDisable: limits.oomKillDisable,
    CpuCfsPeriod: limits.cpuCfs,
    CpuCfsQuota: limits.cpuCfs,
    CPUShares: limits.cpuShares,
    CPUSet: limits.cpuset,
    PidsLimit: limits.pids,
    IPv4Forwarding: engine.ipv4Forwarding,
  };
}

/** A proxy's URL as everybody may see it. */
function withoutPassword(proxy = ''): string {
  return proxy.replace(/\/\/[^@/]*@/, '//xxxxx:xxxxx@');
}

function registryConfig(engine: EngineFacts) {
  const indexes = engine.insecureRegistries.map((name) => [
    name,
    { Name: name, Mirrors: [], Secure: false, Official: false },
  ]);
  return {
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8'],
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: engine.registryMirrors, Secure: true, Official: true },
      ...Object.fromEntries(indexes),
    },
    Mirrors: engine.registryMirrors.length > 0 ? engine.registryMirrors : null,
  };
}

function runtimeFacts(engine: EngineFacts) {
  const commit = (ID: string) => ({ ID, Expected: ID });
  return {
    Runtimes: { runc: { path: 'runc' }, 'io.containerd.runc.v2': { path: 'runc' } },
    DefaultRuntime: 'runc',
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: engine.liveRestore,
    Isolation: '',
    InitBinary: 'docker-init',
    ContainerdCommit: commit(engine.containerd.version),
    RuncCommit: commit(engine.runcVersion),
    InitCommit: commit(''),
    SecurityOptions: engine.securityOptions,
    CDISpecDirs: [],
    Containerd: {
      Address: engine.containerd.address,
      Namespaces: { Containers: engine.containerd.namespace, Plugins: `plugins.${engine.containerd.namespace}` },
    },
  };
}

async function diskUsage({ containers, images, volumes, clock = systemClock }: Deps, call: Call): Promise<Answer> {
  const types = call.query.getAll('type');
  const asked = (type: string): boolean => types.length === 0 || types.includes(type);
  const [imageList, views, volumeList] = await Promise.all([
    asked('image') ? images.list() : [],
    asked('container') ? containers.list({ all: true, size: true, filters: {} }) : [],
    asked('volume') ? volumes.list() : [],
  ]);
  const all = asked('image') ? await containers.list({ all: true, filters: {} }) : [];
  const usage = await Promise.all(
    volumeList.map(async (volume) =>
      encodeVolume(volume, {
        size: await volumes.size(volume.name).catch(() => -1),
        refCount: volumes.usedBy(volume.name).length,
      }),
    ),
  );
  return ok({
    LayersSize: imageList.reduce((sum, { size }) => sum + size, 0),
    Images: imageList.map((summary) => ({
      ...encodeImageSummary(summary, call.version),
      SharedSize: 0,
      Containers: all.filter(({ imageId }) => imageId === summary.image.id).length,
    })),
    Containers: views.map((view) => encodeSummary(view, { version: call.version, nowMs: clock.now() })),
    Volumes: usage,
    BuildCache: [],
    BuilderSize: 0,
  });
}

async function login({ registry }: Deps, call: Call): Promise<Answer> {
  const auth = registryAuth(await call.json(v.unknown()));
  const check = registry?.login?.bind(registry);
  if (!check) {
    throw new FairwayError('cannot log in: no registry is configured', { code: 'not_supported', kind: 'unsupported' });
  }
  return ok({ Status: await check(auth), IdentityToken: '' });
}
