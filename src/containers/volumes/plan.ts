import { invalid, notFound } from '../../base/index.ts';
import type { MountPoint } from '../contract.ts';
import type { ContainerSpec, MountOption } from '../options.ts';

/** One mount of a container to be made ready. */
export interface PlannedMount {
  readonly type: MountPoint['type'];
  readonly target: string;
  /** Host path or volume name; absent: an anonymous volume. */
  readonly source?: string;
  readonly writable: boolean;
  readonly mode: string;
  readonly propagation: string;
  readonly nonRecursive?: boolean;
  readonly readOnlyBelow?: 'try' | 'must';
  readonly subpath?: string;
  /** May be filled from the image. */
  readonly copy: boolean;
  /** Make the host folder when it is missing. */
  readonly createSource: boolean;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
}

export interface MountSources {
  /** `VOLUME` of the image. */
  readonly imageVolumes: readonly string[];
  /** Mounts of another container, for `--volumes-from`. Undefined when there is no such container. */
  readonly mountsOf: (ref: string) => readonly MountPoint[] | undefined;
}

/** What a container mounts, by target; later sources give way to earlier ones. Throws with Docker's texts. */
export function planMounts(spec: ContainerSpec, sources: MountSources): PlannedMount[] {
  const planned = new Map<string, PlannedMount>();
  for (const mount of spec.mounts.mounts) {
    const one = fromOption(mount, spec.mounts.binds);
    if (planned.has(one.target)) throw invalid('duplicate_mount', `Duplicate mount point: ${one.target}`);
    planned.set(one.target, one);
  }
  for (const [target, options] of Object.entries(spec.mounts.tmpfs)) {
    const path = cleanTarget(target);
    if (planned.has(path)) throw invalid('duplicate_mount', `Duplicate mount point: ${path}`);
    const writable = !options.split(',').includes('ro');
    planned.set(path, {
      type: 'tmpfs',
      target: path,
      writable,
      mode: '',
      propagation: '',
      copy: false,
      createSource: false,
    });
  }
  for (const from of spec.mounts.volumesFrom) {
    const [ref = '', mode = 'rw'] = from.split(':');
    const mounts = sources.mountsOf(ref);
    if (!mounts) throw notFound('container_not_found', `No such container: ${ref}`);
    for (const point of mounts) {
      if (planned.has(point.destination) || point.type === 'tmpfs') continue;
      planned.set(point.destination, {
        type: point.type,
        target: point.destination,
        source: point.name ?? point.source,
        writable: point.writable && !mode.split(',').includes('ro'),
        mode: point.mode,
        propagation: point.propagation,
        copy: false,
        createSource: false,
        ...(point.nonRecursive && { nonRecursive: true }),
        ...(point.readOnlyBelow && { readOnlyBelow: point.readOnlyBelow }),
        ...(point.subpath !== undefined && { subpath: point.subpath }),
      });
    }
  }
  for (const target of [...spec.mounts.anonymous, ...sources.imageVolumes]) {
    const path = cleanTarget(target);
    if (planned.has(path)) continue;
    planned.set(path, {
      type: 'volume',
      target: path,
      writable: true,
      mode: '',
      propagation: '',
      copy: true,
      createSource: false,
      ...(spec.mounts.volumeDriver && { driver: spec.mounts.volumeDriver }),
    });
  }
  return [...planned.values()];
}

function fromOption(mount: MountOption, binds: readonly string[]): PlannedMount {
  const target = cleanTarget(mount.target);
  const verbatim = binds.find((bind) => bind.split(':')[1] === mount.target);
  const mode = verbatim?.split(':')[2] ?? '';
  const base = { target, writable: !mount.readOnly, mode };
  if (mount.type === 'tmpfs') return { ...base, type: 'tmpfs', propagation: '', copy: false, createSource: false };
  if (mount.type === 'bind') {
    if (!mount.source?.startsWith('/')) {
      throw invalid(
        'invalid_mount',
        `invalid mount config for type "bind": invalid mount path: '${mount.source ?? ''}' mount path must be absolute`,
      );
    }
    return {
      ...base,
      type: 'bind',
      source: mount.source,
      propagation: mount.propagation || 'rprivate',
      copy: false,
      createSource: verbatim !== undefined || mount.createMountpoint === true,
      ...(mount.nonRecursive && { nonRecursive: true }),
      ...(mount.readOnlyBelow && { readOnlyBelow: mount.readOnlyBelow }),
    };
  }
  return {
    ...base,
    type: 'volume',
    ...(mount.source && { source: mount.source }),
    propagation: '',
    copy: mount.noCopy !== true && !mode.split(',').includes('nocopy'),
    createSource: false,
    ...(mount.subpath !== undefined && { subpath: mount.subpath }),
    ...(mount.volumeDriver && { driver: mount.volumeDriver }),
    ...(mount.volumeLabels && { labels: mount.volumeLabels }),
    ...(mount.volumeDriverOptions && { options: mount.volumeDriverOptions }),
  };
}

/** An absolute path without `.` and `..`; `/` itself is refused. */
function cleanTarget(target: string): string {
  const parts: string[] = [];
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  if (!target.startsWith('/')) {
    throw invalid('invalid_mount', `invalid mount path: '${target}' mount path must be absolute`);
  }
  if (parts.length === 0) {
    throw invalid('invalid_mount', `invalid specification: destination can't be '/'`);
  }
  return `/${parts.join('/')}`;
}
