import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Clock,
  conflict,
  type Id,
  invalid,
  type Log,
  messageOf,
  newId,
  notFound,
  rfc3339Nano,
} from '../../base/index.ts';
import { isMountPoint, makeFolders, mount, unmount } from '../../kernel/index.ts';
import type { EventSink, Store } from '../../model/index.ts';
import type { Volumes, VolumeView } from '../contract.ts';
import { assertVolumeOptions, parseMountOptions } from './mount-options.ts';
import { resolveByHost, withAddress } from './network-address.ts';

export interface VolumeStoreDeps {
  readonly store: Store;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
  /** Which containers name it in their mounts. */
  readonly usedBy: (name: string) => readonly Id[];
}

interface VolumeRecord extends VolumeView {
  readonly version: 1;
}

const PREFIX = 'volumes/';
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Volumes of the driver `local`: folders `<root>/NAME/_data`, on which a file system is mounted when options say so. */
export class VolumeStore implements Volumes {
  readonly #store: Store;
  readonly #events: EventSink;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #usedBy: (name: string) => readonly Id[];
  readonly #root: string;
  readonly #records = new Map<string, VolumeRecord>();

  constructor(deps: VolumeStoreDeps, options: { readonly root: string }) {
    this.#store = deps.store;
    this.#events = deps.events;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#usedBy = deps.usedBy;
    this.#root = options.root;
  }

  async load(): Promise<void> {
    for (const { value } of await this.#store.list<VolumeRecord>(PREFIX)) this.#records.set(value.name, value);
  }

  async create(request: Parameters<Volumes['create']>[0]): Promise<VolumeView> {
    const name = request.name || newId();
    const existing = this.#records.get(name);
    const driver = request.driver || 'local';
    if (existing) return existing;
    if (driver !== 'local') {
      throw notFound(
        'volume_driver_missing',
        `create ${name}: error looking up volume plugin ${driver}: plugin "${driver}" not found`,
      );
    }
    if (name.length === 1) {
      throw invalid(
        'invalid_volume_name',
        `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
      );
    }
    if (!NAME.test(name)) {
      throw invalid(
        'invalid_volume_name',
        `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
      );
    }
    const options = request.options ?? {};
    assertVolumeOptions(options);
    const record: VolumeRecord = {
      version: 1,
      name,
      driver,
      mountpoint: join(this.#root, name, '_data'),
      created: rfc3339Nano(this.#clock.nowNanos()),
      labels: request.labels ?? {},
      options,
      anonymous: !request.name || request.labels?.['com.docker.volume.anonymous'] !== undefined,
    };
    this.#records.set(name, record);
    try {
      makeFolders(record.mountpoint, 0o755);
      await this.#store.put(PREFIX + name, record);
    } catch (error) {
      this.#records.delete(name);
      await rm(join(this.#root, name), { recursive: true, force: true });
      throw error;
    }
    this.#publish('create', record);
    return record;
  }

  list(): Promise<readonly VolumeView[]> {
    return Promise.resolve([...this.#records.values()].sort((a, b) => (a.name < b.name ? -1 : 1)));
  }

  inspect(name: string): Promise<VolumeView> {
    const record = this.#records.get(name);
    return record ? Promise.resolve(record) : Promise.reject(noSuchVolume(name));
  }

  find(name: string): VolumeView | undefined {
    return this.#records.get(name);
  }

  usedBy(name: string): readonly Id[] {
    return this.#usedBy(name);
  }

  async remove(name: string, options: { readonly force?: boolean } = {}): Promise<void> {
    const record = this.#records.get(name);
    if (!record) {
      if (options.force) return;
      throw noSuchVolume(name);
    }
    const users = this.#usedBy(name);
    if (users.length > 0) {
      throw conflict('volume_in_use', `remove ${name}: volume is in use - [${users.join(', ')}]`);
    }
    this.deactivate(name);
    if (isMountPoint(record.mountpoint)) {
      throw conflict('volume_mounted', `remove ${name}: something is mounted on ${record.mountpoint}`);
    }
    await rm(join(this.#root, name), { recursive: true, force: true });
    await this.#store.delete(PREFIX + name);
    this.#records.delete(name);
    this.#publish('destroy', record);
  }

  async prune(
    keep: (volume: VolumeView) => boolean,
  ): Promise<{ readonly removed: readonly string[]; readonly space: number }> {
    const removed: string[] = [];
    let space = 0;
    for (const record of [...this.#records.values()]) {
      if (keep(record) || this.#usedBy(record.name).length > 0) continue;
      try {
        const size = await this.size(record.name);
        await this.remove(record.name);
        removed.push(record.name);
        space += size;
      } catch (error) {
        this.#log.warn({ volume: record.name, reason: messageOf(error) }, 'a volume was not pruned');
      }
    }
    this.#events.publish({ type: 'volume', action: 'prune', id: '', attributes: { reclaimed: String(space) } });
    return { removed, space };
  }

  async size(name: string): Promise<number> {
    const record = this.#records.get(name);
    if (!record) throw noSuchVolume(name);
    return folderSize(record.mountpoint);
  }

  /** Mounts what its options ask for, once; true when it was not mounted before. */
  async activate(name: string): Promise<boolean> {
    const record = this.#records.get(name);
    if (!record) throw noSuchVolume(name);
    makeFolders(record.mountpoint, 0o755);
    const request = parseMountOptions(record.options);
    if (!request || isMountPoint(record.mountpoint)) return false;
    try {
      const resolved = await withAddress(request, resolveByHost);
      // Somebody else may have been faster meanwhile.
      if (isMountPoint(record.mountpoint)) return false;
      mount({ ...resolved, target: record.mountpoint });
      return true;
    } catch (error) {
      throw invalid(
        'volume_mount_failed',
        `error while mounting volume '${record.mountpoint}': failed to mount local volume: mount ${request.source ?? ''}:${record.mountpoint}, ${withoutPassword(messageOf(error))}`,
        error,
      );
    }
  }

  /** Takes the mount away; repeatable. */
  deactivate(name: string): void {
    const record = this.#records.get(name);
    if (record && Object.keys(record.options).length > 0) unmount(record.mountpoint, { detach: true });
  }

  #publish(action: string, record: VolumeRecord): void {
    this.#events.publish({ type: 'volume', action, id: record.name, attributes: { driver: record.driver } });
  }
}

function withoutPassword(text: string): string {
  return text.replace(/password=[^,\s]*/g, 'password=********');
}

function noSuchVolume(name: string): Error {
  return notFound('volume_not_found', `get ${name}: no such volume`);
}

async function folderSize(path: string): Promise<number> {
  let size = 0;
  const seen = new Set<number>();
  const pending = [path];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const child = join(folder, entry.name);
      if (entry.isDirectory()) {
        pending.push(child);
        continue;
      }
      const stat = await lstat(child).catch(() => undefined);
      if (!stat || seen.has(stat.ino)) continue;
      if (stat.nlink > 1) seen.add(stat.ino);
      size += stat.size;
    }
  }
  return size;
}
