import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { busyboxImage } from '../../scripts/busybox-image.ts';
import { Daemon, DOCKER_20, ok, TestHost, TestLan } from '../../test/support/index.ts';
import { stopChild } from '../../test/support/lan.ts';
import { Api } from '../api.ts';
import { NAMES, NETWORK, type Peer, type PeerName } from './engines.ts';

const PACKAGES = fileURLToPath(new URL('../../.cache/peers', import.meta.url));
/** What Debian's dockerd and podman speak as well as we. */
const VERSION = 'v1.41';
const START_MS = 60_000;
const ASK_EVERY_MS = 2;

const NETAVARK = '[network]\nnetwork_backend="netavark"\n';
/** Its default is more than root may ask for in some machines. */
const LIMITS = '[containers]\ndefault_ulimits=["nofile=1024:1024", "nproc=4096:4096"]\n';

export interface BringUpOptions {
  readonly signal: AbortSignal;
  /** Told of each host before anything runs in it. */
  readonly onHost: (host: TestHost) => void;
  readonly onFailure: (name: PeerName, error: unknown) => void;
}

export interface Field {
  readonly peers: readonly Peer[];
  readonly lan: TestLan;
  /** For work by hand. */
  readonly bare: TestHost;
}

/** All engines on one LAN, each with the image and a network. One that does not come up is told of and left out. */
export async function bringUp(undo: AsyncDisposableStack, options: BringUpOptions): Promise<Field> {
  const { signal } = options;
  const lan = undo.use(await TestLan.start());
  const newHost = async (): Promise<TestHost> => {
    signal.throwIfAborted();
    const host = undo.use(await TestHost.start(lan));
    options.onHost(host);
    return host;
  };
  const bare = await newHost();
  const peers: Peer[] = [];
  for (const name of NAMES) {
    const host = await newHost();
    try {
      const { socket, restart } = await STARTERS[name](host, undo, signal);
      const api = new Api(socket, VERSION);
      undo.defer(() => api.close());
      signal.addEventListener('abort', () => api.close());
      const env = { DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: host.directory };
      await ok([DOCKER_20, 'load'], { input: await busyboxImage({ name: 'busybox:latest' }), env });
      await api.call('POST', '/networks/create', { Name: NETWORK });
      peers.push(restart === undefined ? { name, api, host } : { name, api, host, restart });
    } catch (error) {
      signal.throwIfAborted();
      options.onFailure(name, error);
    }
  }
  return { peers, lan, bare };
}

interface Started {
  /** Of the API, which answers. */
  readonly socket: string;
  readonly restart?: () => Promise<number>;
}

type Starter = (host: TestHost, undo: AsyncDisposableStack, signal: AbortSignal) => Promise<Started>;

const STARTERS: Readonly<Record<PeerName, Starter>> = {
  fairway: async (host, undo, signal) => {
    const daemon = undo.use(await Daemon.start(host));
    const restart = async (): Promise<number> => {
      await daemon.stop();
      const begin = performance.now();
      const started = daemon.start();
      await Promise.race([untilAnswered(daemon.socket, signal), started.then(() => sleep(START_MS))]);
      const taken = performance.now() - begin;
      await started;
      return taken;
    };
    return { socket: daemon.socket, restart };
  },
  dockerd: async (host, undo, signal) => {
    await install(host);
    // So that its containers outlive it, as ours do.
    const service = new Service(host, 'docker.sock', ['dockerd', '--live-restore', '--cgroup-parent', host.cgroup]);
    undo.use(service);
    await service.start(signal);
    const restart = async (): Promise<number> => {
      await service.stop();
      return service.start(signal);
    };
    return { socket: service.socket, restart };
  },
  podman: async (host, undo, signal) => {
    await install(host);
    // crun does not run where cgroup v1 and v2 are both in use; so runc, as for the others. Its default for locks is a file in /dev/shm that all of the machine would share; there is no systemd here.
    const settings = '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="file"\nlock_type="file"\nruntime="runc"\n';
    writeFileSync(join(host.directory, 'containers.conf'), `${settings}${NETAVARK}${LIMITS}`);
    const command = ['env', `CONTAINERS_CONF=${host.directory}/containers.conf`, 'podman', 'system', 'service'];
    const service = undo.use(new Service(host, 'podman.sock', [...command, '--time=0', 'unix:///run/podman.sock']));
    await service.start(signal);
    return { socket: service.socket };
  },
};

/** Lays the unpacked packages over the host's /usr and /etc; what is written to /etc stays the host's. */
async function install(host: TestHost): Promise<void> {
  await host.ok([
    'sh',
    '-ec',
    `mkdir ${host.directory}/etc ${host.directory}/work
    mount -t overlay -o ro,lowerdir=${PACKAGES}/usr:/usr overlay /usr
    mount -t overlay -o lowerdir=${PACKAGES}/etc:/etc,upperdir=${host.directory}/etc,workdir=${host.directory}/work overlay /etc
    mount --bind ${host.directory}/resolv.conf /etc/resolv.conf`,
  ]);
}

/** A peer's daemon in a host. */
class Service implements AsyncDisposable {
  readonly socket: string;
  readonly #host: TestHost;
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;

  constructor(host: TestHost, socket: string, command: readonly string[]) {
    this.socket = join(host.directory, 'run', socket);
    this.#host = host;
    this.#command = command;
  }

  /** Milliseconds until its API answers. */
  async start(signal: AbortSignal): Promise<number> {
    const logPath = join(this.#host.directory, 'daemon.log');
    const log = openSync(logPath, 'a');
    const [program = '', ...args] = this.#host.inside(this.#command);
    const begin = performance.now();
    const child = spawn(program, args, { stdio: ['ignore', log, log] });
    this.#child = child;
    closeSync(log);
    try {
      await untilAnswered(this.socket, signal, () => {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error('it ended');
      });
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(`${this.#command[0]} does not answer: ${readFileSync(logPath, 'utf8').slice(-2000)}`, {
        cause: error,
      });
    }
    return performance.now() - begin;
  }

  /** As a service manager does. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
    await ended;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child !== undefined) await stopChild(this.#child);
  }
}

/** Asks again and again; `check` throws when there is nothing to wait for. */
async function untilAnswered(socket: string, signal: AbortSignal, check: () => void = () => {}): Promise<void> {
  const api = new Api(socket, VERSION, START_MS);
  const begin = performance.now();
  try {
    for (;;) {
      signal.throwIfAborted();
      check();
      try {
        await api.call('GET', '/_ping');
        return;
      } catch (error) {
        if (performance.now() - begin > START_MS) throw error;
      }
      await sleep(ASK_EVERY_MS);
    }
  } finally {
    api.close();
  }
}
