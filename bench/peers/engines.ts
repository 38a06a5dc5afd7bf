import { readFileSync } from 'node:fs';
import type { TestHost } from '../../test/support/index.ts';
import type { Api } from '../api.ts';
import { residentMiB } from '../resident.ts';
import { inParallel } from './parallel.ts';

export const NAMES = ['fairway', 'dockerd', 'podman'] as const;
export type PeerName = (typeof NAMES)[number];

/** The network that every engine has all the time. */
export const NETWORK = 'bench';

/** An engine in a test host of its own, driven over its socket by the same HTTP client. */
export interface Peer {
  readonly name: PeerName;
  readonly api: Api;
  readonly host: TestHost;
  /** Stops the daemon, its containers live on, and starts it; milliseconds until its API answers. None: it has no daemon. */
  readonly restart?: () => Promise<number>;
}

export interface Container {
  readonly network: string;
  readonly cmd?: readonly string[];
  /** TCP ports, each published under its own number. */
  readonly ports?: readonly number[];
}

/** Creates, does not start. */
export async function create({ api, host }: Peer, name: string, container: Container): Promise<void> {
  const ports = (container.ports ?? []).map((port) => [`${port}/tcp`, String(port)] as const);
  await api.call('POST', `/containers/create?name=${name}`, {
    Image: 'busybox',
    Cmd: container.cmd ?? ['sleep', '1800'],
    // podman's forced removal asks first, and waits.
    StopSignal: 'SIGKILL',
    ExposedPorts: Object.fromEntries(ports.map(([port]) => [port, {}])),
    HostConfig: {
      NetworkMode: container.network,
      CgroupParent: host.cgroup,
      PortBindings: Object.fromEntries(ports.map(([port, HostPort]) => [port, [{ HostPort }]])),
    },
  });
}

export async function start(peer: Peer, name: string, container: Container): Promise<void> {
  await create(peer, name, container);
  await peer.api.call('POST', `/containers/${name}/start`);
}

export interface Found {
  readonly pid: number;
  readonly address: string;
  readonly gateway: string;
}

export async function inspect({ api }: Peer, name: string, network = NETWORK): Promise<Found> {
  const view = (await api.call('GET', `/containers/${name}/json`)) as {
    State: { Pid: number };
    NetworkSettings: { Networks: Record<string, { IPAddress: string; Gateway: string }> };
  };
  const endpoint = view.NetworkSettings.Networks[network];
  return { pid: view.State.Pid, address: endpoint?.IPAddress ?? '', gateway: endpoint?.Gateway ?? '' };
}

/** podman's resolver is on the bridge, the others' in the container. */
export function resolverOf(peer: Peer, { gateway }: Found): string {
  return peer.name === 'podman' ? gateway : '127.0.0.11';
}

/** Processes of the engine itself, not of its containers, and the memory they have: MiB, pages of a file once. */
export function footprint({ host }: Peer): { readonly processes: number; readonly memory: number } {
  const own = host.processes().filter(({ pid }) => !/^(sleep|httpd)\b/.test(read(`/proc/${pid}/comm`)));
  return { processes: own.length, memory: residentMiB(own.map(({ pid }) => pid)) };
}

/** Removes all containers, and all networks but the one that stays. */
export async function clear({ api }: Peer): Promise<void> {
  const containers = (await api.call('GET', '/containers/json?all=1')) as { Id: string }[];
  await inParallel(containers, 8, ({ Id }) => api.remove(Id));
  const networks = (await api.call('GET', '/networks')) as { Name: string }[];
  const kept = ['bridge', 'host', 'none', 'podman', NETWORK];
  for (const { Name } of networks) if (!kept.includes(Name)) await api.call('DELETE', `/networks/${Name}`);
}

/** Empty when the process is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
