import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../base/index.ts';
import type { EngineEvent, Store } from '../../model/index.ts';
import { MemoryStore } from '../../store/index.ts';
import { type ContainerParts, createContainers } from '../create.ts';
import { EventLog } from '../events/index.ts';
import type { Image } from '../images/index.ts';
import { NO_LIMITS } from '../limits/index.ts';
import type { ContainerSpec } from '../options.ts';
import { FakeClock, FakeEngine, FakeImages, FakeNetwork, Faults } from './fakes.ts';

export interface TestSetup extends AsyncDisposable {
  readonly folder: string;
  readonly clock: FakeClock;
  readonly faults: Faults;
  readonly containerd: FakeEngine;
  readonly images: FakeImages;
  readonly network: FakeNetwork;
  readonly store: Store;
  readonly events: EngineEvent[];
  readonly parts: ContainerParts;
  /** A daemon that comes after: the same store and containerd, nothing else. */
  next(): Promise<ContainerParts>;
}

/** Containers on fakes, in a folder of their own. */
export async function setUp(options: { readonly config?: Image['config'] } = {}): Promise<TestSetup> {
  const folder = mkdtempSync(join(tmpdir(), 'fwt-'));
  mkdirSync(join(folder, 'tree'));
  const faults = new Faults();
  const clock = new FakeClock();
  const containerd = new FakeEngine(faults);
  const images = new FakeImages(faults, join(folder, 'tree'), options.config);
  const network = new FakeNetwork(faults);
  const store = new MemoryStore();
  const log = new EventLog({ clock });
  const events: EngineEvent[] = [];
  log.subscribe((event) => events.push(event));
  const all: ContainerParts[] = [];
  const make = async (): Promise<ContainerParts> => {
    const parts = createContainers(
      {
        containerd: containerd.engine,
        images: images.images,
        networks: network.networks,
        sandboxes: network.sandboxes,
        store,
        events: log,
        clock,
        log: silentLog,
      },
      { dataRoot: join(folder, 'data'), execRoot: join(folder, 'exec') },
    );
    await parts.restore();
    await parts.sweep();
    all.push(parts);
    return parts;
  };
  const parts = await make();
  return {
    folder,
    clock,
    faults,
    containerd,
    images,
    network,
    store,
    events,
    parts,
    next: make,
    [Symbol.asyncDispose]: async () => {
      for (const id of containerd.tasks.keys()) containerd.exit(id, 0);
      for (const one of all) await one.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

type SpecPart = {
  readonly [Key in keyof ContainerSpec]?: ContainerSpec[Key] extends object
    ? Partial<ContainerSpec[Key]>
    : ContainerSpec[Key];
};

/** What the API sends for `docker create busybox`, changed where the test wants it. */
export function specOf(part: SpecPart = {}): ContainerSpec {
  return {
    image: part.image ?? 'busybox',
    process: {
      env: [],
      groupAdd: [],
      tty: false,
      openStdin: false,
      stdinOnce: false,
      attachStdin: false,
      attachStdout: true,
      attachStderr: true,
      ...part.process,
    },
    ...(part.health && { health: part.health }),
    network: {
      mode: 'bridge',
      disabled: false,
      ports: [],
      exposed: [],
      publishAll: false,
      dns: [],
      dnsSearch: [],
      dnsOptions: [],
      extraHosts: [],
      links: [],
      ...part.network,
    },
    mounts: { binds: [], mounts: [], tmpfs: {}, volumesFrom: [], anonymous: [], ...part.mounts },
    resources: {
      ...NO_LIMITS,
      ...part.resources,
    },
    security: {
      privileged: false,
      capAdd: [],
      capDrop: [],
      securityOpt: [],
      readonlyRootfs: false,
      pidMode: '',
      ipcMode: '',
      utsMode: '',
      usernsMode: '',
      cgroupnsMode: '',
      sysctls: {},
      shmSize: 0,
      oomScoreAdj: 0,
      ...part.security,
    },
    restart: { name: 'no', maximumRetryCount: 0, ...part.restart },
    log: { driver: '', options: {}, ...part.log },
    autoRemove: part.autoRemove ?? false,
    labels: { ...part.labels } as Record<string, string>,
    annotations: {},
  };
}

/** Polls until it holds; fails after ten seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
