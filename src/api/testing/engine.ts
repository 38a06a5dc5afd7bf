import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { invalid, notFound } from '../../base/index.ts';
import type { ContainerFiles, Volumes, VolumeView } from '../../containers/contract.ts';
import type { EngineEvent, EventSink, Reconciling } from '../../model/index.ts';
import type { ApiDeps, ApiImages, EngineFacts } from '../deps.ts';
import { type ApiServerOptions, createApiServer } from '../server.ts';
import { FakeContainers } from './containers.ts';
import { FakeNetworks } from './networks.ts';
import { fakeImage } from './views.ts';

/** What a fake engine tells of itself. */
export const FACTS: EngineFacts = {
  id: 'fake',
  version: '0.1.0',
  gitCommit: 'abc',
  buildTime: '2026-01-01T00:00:00Z',
  dataRoot: '/var/lib/fairway',
  storageDriver: 'overlayfs',
  loggingDriver: 'json-file',
  cgroupDriver: 'cgroupfs',
  cgroupVersion: '2',
  limits: {
    memory: true,
    swap: true,
    oomKillDisable: false,
    pids: true,
    cpuShares: true,
    cpuCfs: true,
    cpuset: true,
  },
  debug: false,
  experimental: false,
  liveRestore: true,
  labels: [],
  networkDrivers: ['bridge', 'host', 'null'],
  addressPools: [],
  insecureRegistries: [],
  proxies: {},
  registryMirrors: [],
  ipv4Forwarding: true,
  containerd: { address: '/c.sock', version: '1.6', namespace: 'fairway' },
  runcVersion: '1.1',
  securityOptions: [],
  warnings: [],
};

class FakeEvents implements EventSink {
  readonly #past: EngineEvent[] = [];
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  #time = 1_700_000_000_000_000_000n;

  publish(event: Parameters<EventSink['publish']>[0]): void {
    this.#time += 1_000_001n;
    const whole: EngineEvent = { scope: 'local', ...event, timeNanos: this.#time };
    this.#past.push(whole);
    for (const listener of this.#listeners) listener(whole);
  }

  between(): readonly EngineEvent[] {
    return this.#past;
  }

  subscribe(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

function fakeImages(): ApiImages {
  const tags = ['busybox:latest'];
  return {
    inspect: async (ref) => {
      const tag = tags.find((one) => one === ref || one === `${ref}:latest`);
      if (!tag) throw notFound('no_image', `No such image: ${ref}:latest`);
      return fakeImage(tag);
    },
    list: async () => tags.map(fakeImage),
    history: async () => [],
    load: async (source, { progress } = {}) => {
      let size = 0;
      for await (const chunk of source) size += chunk.length;
      if (size === 0) throw invalid('empty', 'cannot load archive: it has no images');
      progress?.({ stream: `Loaded image: ${size} bytes\n` });
      return [];
    },
    import: async () => `sha256:${'ef'.repeat(32)}`,
    save: async () => Readable.from([Buffer.from('tar')]),
    tag: async (_ref, repo, tag = 'latest') => {
      tags.push(`${repo}:${tag}`);
    },
    remove: async (ref) => [{ Untagged: ref }],
    prune: async () => ({ removed: [], reclaimed: 0 }),
  };
}

function fakeVolumes(): Volumes {
  const views = new Map<string, VolumeView>();
  const find = (name: string): VolumeView => {
    const view = views.get(name);
    if (!view) throw notFound('no_volume', `get ${name}: no such volume`);
    return view;
  };
  return {
    create: async ({ name = 'anonymous', labels = {}, options = {} }) => {
      const created = '2026-01-01T00:00:00Z';
      const view = { name, driver: 'local', mountpoint: `/v/${name}`, created, labels, options, anonymous: false };
      views.set(name, view);
      return view;
    },
    list: async () => [...views.values()],
    inspect: async (name) => find(name),
    usedBy: () => [],
    remove: async (name) => {
      find(name);
      views.delete(name);
    },
    prune: async () => ({ removed: [], space: 0 }),
    size: async () => 0,
  };
}

function fakeFiles(): ContainerFiles {
  const stat = { name: 'f', size: 3, mode: 0o644, mtime: '2026-01-01T00:00:00Z', linkTarget: '' };
  return {
    stat: async () => stat,
    read: async () => ({ stat, archive: Readable.from([Buffer.from('tar')]) }),
    write: async (_ref, _path, archive) => {
      archive.resume();
    },
    export: async () => Readable.from([Buffer.from('tar')]),
    changes: async () => [],
    commit: async () => `sha256:${'ef'.repeat(32)}`,
  };
}

const reconcilingNothing: Reconciling = {
  verify: async () => [],
  repair: async () => ({ done: [], failed: [] }),
  collect: async () => ({ done: [], failed: [] }),
};

/** The API on a unix socket in a directory of its own, with an engine in memory behind it. */
export async function startFakeEngine(changes: Partial<ApiDeps> = {}, options: Partial<ApiServerOptions> = {}) {
  const events = new FakeEvents();
  const networks = new FakeNetworks();
  const containers = new FakeContainers(networks, events);
  const deps: ApiDeps = {
    networks,
    containers,
    execs: containers.execs,
    files: fakeFiles(),
    statistics: { sample: async (ref) => ({ view: await containers.inspect(ref) }) },
    volumes: fakeVolumes(),
    images: fakeImages(),
    events,
    reconciling: reconcilingNothing,
    facts: () => FACTS,
    ...changes,
  };
  const api = createApiServer(deps, { version: '0.1.0', ...options });
  const folder = await mkdtemp(join(tmpdir(), 'fairway-api-'));
  const socketPath = join(folder, 'api.sock');
  const server = net.createServer({ allowHalfOpen: true }, (socket) => api.accept(socket));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const close = async (): Promise<void> => {
    api.close();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true, force: true });
  };
  return { socketPath, networks, containers, events, api, close, [Symbol.asyncDispose]: close };
}
