import { isAbsolute, normalize } from 'node:path/posix';
import { invalid } from '../../base/index.ts';
import type { MountOption, MountOptions } from '../../containers/options.ts';
import type { CreateBody, HostConfigBody } from './container-create.ts';
import { assertVolumeName, PROPAGATIONS, parseMount, RECURSIVE_READ_ONLY } from './mount-config.ts';

/** Everything a create call says of mounts. Those of `Binds` come first in `mounts`. `version`: minor of the API. */
export function parseMounts(body: CreateBody, host: HostConfigBody, version: number): MountOptions {
  const mounts = [
    ...host.Binds.map((spec) => parseBind(spec, { version, volumeDriver: host.VolumeDriver })),
    ...host.Mounts.map((mount) => parseMount(mount, version)),
  ];
  const targets = new Set<string>();
  for (const { target } of mounts) {
    if (targets.has(target)) throw invalid('duplicate_mount', `Duplicate mount point: ${target}`);
    targets.add(target);
  }
  for (const [target, options] of Object.entries(host.Tmpfs)) assertTmpfs(target, options);
  for (const from of host.VolumesFrom) assertVolumesFrom(from);
  return {
    binds: host.Binds,
    mounts,
    tmpfs: host.Tmpfs,
    volumesFrom: host.VolumesFrom,
    anonymous: Object.keys(body.Volumes).filter((target) => !targets.has(target)),
    ...(host.VolumeDriver === '' ? {} : { volumeDriver: host.VolumeDriver }),
  };
}

/** `[source:]target[:mode]`. A source that is no path names a volume. */
export function parseBind(
  spec: string,
  options: { readonly version: number; readonly volumeDriver?: string },
): MountOption {
  const parts = spec.split(':');
  const [one = '', two, mode = ''] = parts;
  if (parts.length > 3 || one === '') throw badSpec(spec);
  if (two === undefined) return { type: 'volume', target: assertTarget(one, spec), readOnly: false };
  // A target and a mode, without anything to mount there.
  if (parts.length === 2 && isMode(two)) throw badSpec(spec);
  if (!isMode(mode)) throw invalid('invalid_mode', `invalid mode: ${mode}`);
  const target = assertTarget(two, spec);
  const { readOnly, propagation, noCopy } = meaningOf(mode);
  if (isAbsolute(one)) {
    return {
      type: 'bind',
      source: normalize(one).replace(/(.)\/$/, '$1'),
      target,
      readOnly,
      createMountpoint: true,
      ...(propagation === undefined ? {} : { propagation }),
      ...(readOnly && options.version >= RECURSIVE_READ_ONLY ? { readOnlyBelow: 'try' as const } : {}),
    };
  }
  assertVolumeName(one);
  if (propagation !== undefined) throw badSpec(spec, ': field BindOptions must not be specified');
  return {
    type: 'volume',
    source: one,
    target,
    readOnly,
    ...(noCopy ? { noCopy } : {}),
    ...(options.volumeDriver ? { volumeDriver: options.volumeDriver } : {}),
  };
}

function badSpec(spec: string, why = ''): Error {
  return invalid('invalid_volume', `invalid volume specification: '${spec}'${why}`);
}

function assertTarget(target: string, spec: string): string {
  if (!isAbsolute(target)) throw badSpec(spec, `: invalid mount path: '${target}' mount path must be absolute`);
  const plain = normalize(target).replace(/(.)\/$/, '$1');
  if (plain === '/') throw badSpec(spec, ": invalid specification: destination can't be '/'");
  return plain;
}

/** Of each kind one word at most. */
const MODE_WORDS = [['ro', 'rw'], ['z', 'Z'], PROPAGATIONS, ['nocopy'], ['consistent', 'cached', 'delegated']];

function isMode(text: string): boolean {
  if (text === '') return true;
  const words = text.split(',');
  return (
    words.every((word) => MODE_WORDS.some((kind) => kind.includes(word))) &&
    MODE_WORDS.every((kind) => words.filter((word) => kind.includes(word)).length <= 1)
  );
}

function meaningOf(mode: string): {
  readonly readOnly: boolean;
  readonly propagation?: string;
  readonly noCopy?: boolean;
} {
  const words = mode.split(',');
  const propagation = words.find((word) => PROPAGATIONS.includes(word));
  return {
    readOnly: words.includes('ro'),
    ...(propagation === undefined ? {} : { propagation }),
    ...(words.includes('nocopy') ? { noCopy: true } : {}),
  };
}

const TMPFS_WORDS = new Set(
  (
    'defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime ' +
    'nodiratime bind rbind unbindable runbindable private rprivate shared rshared slave rslave relatime norelatime ' +
    'strictatime nostrictatime'
  ).split(' '),
);
const TMPFS_KEYS = ['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol'];

/** `--tmpfs target:options`. */
function assertTmpfs(target: string, options: string): void {
  if (normalize(target).replace(/(.)\/$/, '$1') === '/') {
    throw invalid('invalid_mount', "invalid specification: destination can't be '/'");
  }
  if (!isAbsolute(target)) {
    throw invalid('invalid_mount', `invalid mount path: '${target}' mount path must be absolute`);
  }
  for (const option of options.split(',')) {
    const [key = '', value] = option.split('=', 2);
    const known = value === undefined ? option === '' || TMPFS_WORDS.has(key) : TMPFS_KEYS.includes(key);
    if (!known) {
      const shown = value === undefined ? [key] : [key, value];
      throw invalid('invalid_tmpfs', `invalid tmpfs option [${shown.map((one) => JSON.stringify(one)).join(' ')}]`);
    }
  }
}

/** `container[:mode]`; how what comes from there propagates and is filled is not for the borrower to say. */
function assertVolumesFrom(from: string): void {
  if (from === '') throw invalid('invalid_volumes_from', 'volumes-from specification cannot be an empty string');
  const colon = from.indexOf(':');
  const mode = colon < 0 ? '' : from.slice(colon + 1);
  const { propagation, noCopy } = meaningOf(mode);
  if (!isMode(mode) || propagation !== undefined || noCopy) {
    throw invalid('invalid_volumes_from', `invalid mode: ${mode}`);
  }
}
