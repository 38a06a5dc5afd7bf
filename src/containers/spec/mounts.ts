import { existsSync } from 'node:fs';
import { FairwayError } from '../../base/index.ts';
import type { MountPoint } from '../contract.ts';

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export const DEFAULT_SHM_BYTES = 64 << 20;

/** The file systems every container has. */
export function systemMounts(options: {
  readonly privileged: boolean;
  readonly shmSize: number;
  readonly hostNetwork: boolean;
  readonly hostIpc: boolean;
  readonly privateCgroup: boolean;
  readonly writableCgroups: boolean;
  /** A folder of the host for /dev/shm, when it is shared. */
  readonly sharedMemory?: string;
}): OciMount[] {
  const quiet = ['nosuid', 'noexec', 'nodev'];
  const access = options.privileged ? 'rw' : 'ro';
  const shm = options.shmSize > 0 ? options.shmSize : DEFAULT_SHM_BYTES;
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: quiet },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...quiet, access] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [...quiet, options.writableCgroups ? 'rw' : access],
    },
    // A fresh mount shows the queues of the namespace as well; not every host has one.
    options.hostIpc && existsSync('/dev/mqueue')
      ? { destination: '/dev/mqueue', type: 'bind', source: '/dev/mqueue', options: ['rbind', ...quiet] }
      : { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: quiet },
    options.hostIpc || options.sharedMemory !== undefined
      ? {
          destination: '/dev/shm',
          type: 'bind',
          source: options.sharedMemory ?? '/dev/shm',
          options: ['rbind', ...quiet],
        }
      : { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...quiet, 'mode=1777', `size=${shm}`] },
  ];
}

/** The container's own mounts. */
export function userMounts(
  points: readonly MountPoint[],
  tmpfs: Readonly<Record<string, string>>,
  host: { readonly readOnlyBelow: () => boolean },
): OciMount[] {
  return points.map((point): OciMount => {
    if (point.type === 'tmpfs') {
      const options = (tmpfs[point.destination] ?? '').split(',').filter((option) => option !== '');
      return {
        destination: point.destination,
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'nodev', 'noexec', ...options],
      };
    }
    return {
      destination: point.destination,
      type: 'bind',
      source: point.source,
      options: [
        point.nonRecursive ? 'bind' : 'rbind',
        accessOf(point, host),
        point.propagation === '' ? 'rprivate' : point.propagation,
      ],
    };
  });
}

/** So that none hides another: a volume on /etc does not take /etc/hosts away. */
export function parentsFirst<M extends { readonly destination: string }>(mounts: readonly M[]): M[] {
  return mounts.toSorted((a, b) => depth(a.destination) - depth(b.destination));
}

function accessOf(point: MountPoint, host: { readonly readOnlyBelow: () => boolean }): 'rw' | 'ro' | 'rro' {
  if (point.writable) return 'rw';
  if (point.readOnlyBelow === undefined) return 'ro';
  if (host.readOnlyBelow()) return 'rro';
  if (point.readOnlyBelow === 'try') return 'ro';
  throw new FairwayError(
    `cannot mount ${point.source} read-only with all that is mounted below it: kernel or runtime do not know how`,
    { code: 'no_recursive_read_only', kind: 'unsupported' },
  );
}

/**
 * What the root of the container has to be for mounts that pass on what is mounted below them: a private root would cut them
 * off from the host.
 */
export function rootPropagation(points: readonly MountPoint[]): 'rprivate' | 'rslave' | 'shared' {
  const has = (kind: string): boolean => points.some(({ propagation }) => propagation.replace(/^r/, '') === kind);
  return has('shared') ? 'shared' : has('slave') ? 'rslave' : 'rprivate';
}

function depth(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}
