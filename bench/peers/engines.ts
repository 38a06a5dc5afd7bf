import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { busyboxImage } from '../../scripts/busybox-image.ts';
import { Daemon, DOCKER_20, eventually, ok, TestHost, TestLan } from '../../test/support/index.ts';
import { stopChild } from '../../test/support/lan.ts';
import { Api } from '../api.ts';

const PACKAGES = fileURLToPath(new URL('../../.cache/peers', import.meta.url));
/** What Debian's dockerd and podman speak as well as we. */
const VERSION = 'v1.41';

const NETAVARK = '[network]\nnetwork_backend="netavark"\n';
/** Its default is more than root may ask for in some machines. */
const LIMITS = '[containers]\ndefault_ulimits=["nofile=1024:1024", "nproc=4096:4096"]\n';

export const NAMES = ['fairway', 'dockerd', 'podman'] as const;
export type PeerName = (typeof NAMES)[number];

/** An engine in a test host of its own, driven over its socket by the same HTTP client. */
export interface Peer {
  readonly name: PeerName;
  readonly api: Api;
  readonly host: TestHost;
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
    Cmd: container.cmd ?? ['sleep', '900'],
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

export async function inspect({ api }: Peer, name: string, network: string): Promise<Found> {
  const view = (await api.call('GET', `/containers/${name}/json`)) as {
    State: { Pid: number };
    NetworkSettings: { Networks: Record<string, { IPAddress: string; Gateway: string }> };
  };
  const endpoint = view.NetworkSettings.Networks[network];
  return { pid: view.State.Pid, address: endpoint?.IPAddress ?? '', gateway: endpoint?.Gateway ?? '' };
}

/** Processes of the engine itself, not of its containers, and the memory they have: MiB, shared pages in part. */
export function footprint({ host }: Peer): { readonly processes: number; readonly memory: number } {
  const own = host.processes().filter(({ pid }) => !/^(sleep|httpd)\b/.test(commandOf(pid)));
  return { processes: own.length, memory: own.reduce((sum, { pid }) => sum + proportionalSize(pid), 0) };
}

/** All of them on one LAN, and a bare host for work by hand. */
export async function startPeers(undo: AsyncDisposableStack): Promise<{ peers: Peer[]; lan: TestLan; bare: TestHost }> {
  const lan = undo.use(await TestLan.start());
  const bare = undo.use(await TestHost.start(lan));
  const peers: Peer[] = [];
  for (const name of NAMES) {
    const host = undo.use(await TestHost.start(lan));
    const socket = await STARTERS[name](host, undo);
    const api = new Api(socket, VERSION);
    undo.defer(() => api.close());
    const env = { DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: host.directory };
    await ok([DOCKER_20, 'load'], { input: await busyboxImage({ name: 'busybox:latest' }), env });
    peers.push({ name, api, host });
  }
  return { peers, lan, bare };
}

/** Each returns the path of its API's socket, which answers. */
const STARTERS: Readonly<Record<PeerName, (host: TestHost, undo: AsyncDisposableStack) => Promise<string>>> = {
  fairway: async (host, undo) => undo.use(await Daemon.start(host)).socket,
  dockerd: async (host, undo) => {
    await installed(host);
    return daemon(host, undo, 'docker.sock', ['dockerd', '--cgroup-parent', host.cgroup]);
  },
  podman: async (host, undo) => {
    await installed(host);
    // crun does not run where cgroup v1 and v2 are both in use; so runc, as for the others. Its default for locks is a file in /dev/shm that all of the machine would share; there is no systemd here.
    const settings = '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="file"\nlock_type="file"\nruntime="runc"\n';
    writeFileSync(join(host.directory, 'containers.conf'), `${settings}${NETAVARK}${LIMITS}`);
    const command = ['env', `CONTAINERS_CONF=${host.directory}/containers.conf`, 'podman', 'system', 'service'];
    return daemon(host, undo, 'podman.sock', [...command, '--time=0', 'unix:///run/podman.sock']);
  },
};

/** Lays the unpacked packages over the host's /usr and /etc; what is written to /etc stays the host's. */
async function installed(host: TestHost): Promise<void> {
  await host.ok([
    'sh',
    '-ec',
    `mkdir ${host.directory}/etc ${host.directory}/work
    mount -t overlay -o ro,lowerdir=${PACKAGES}/usr:/usr overlay /usr
    mount -t overlay -o lowerdir=${PACKAGES}/etc:/etc,upperdir=${host.directory}/etc,workdir=${host.directory}/work overlay /etc
    mount --bind ${host.directory}/resolv.conf /etc/resolv.conf`,
  ]);
}

async function daemon(
  host: TestHost,
  undo: AsyncDisposableStack,
  socket: string,
  command: readonly string[],
): Promise<string> {
  const path = join(host.directory, 'run', socket);
  const logPath = join(host.directory, 'daemon.log');
  const log = openSync(logPath, 'a');
  const [program = '', ...args] = host.inside(command);
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', log, log] });
  closeSync(log);
  undo.defer(() => stopChild(child));
  const api = new Api(path, VERSION);
  try {
    await eventually(async () => {
      if (child.exitCode !== null) return;
      await api.call('GET', '/info');
    }, 60_000);
  } catch (error) {
    throw new Error(`${command[0]} does not answer: ${readFileSync(logPath, 'utf8').slice(-2000)}`, { cause: error });
  } finally {
    api.close();
  }
  if (child.exitCode !== null) throw new Error(`${command[0]} ended: ${readFileSync(logPath, 'utf8').slice(-2000)}`);
  return path;
}

function commandOf(pid: number): string {
  return read(`/proc/${pid}/comm`);
}

function proportionalSize(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024;
}

/** Empty when the process is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
