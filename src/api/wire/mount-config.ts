import { isAbsolute, normalize } from 'node:path/posix';
import { invalid } from '../../base/index.ts';
import type { MountOption } from '../../containers/options.ts';
import type { MountBody } from './container-create.ts';

export const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];

type OfType = Omit<MountOption, 'target' | 'readOnly'>;

function refuse(mount: MountBody, why: string): never {
  throw invalid('invalid_mount', `invalid mount config for type ${JSON.stringify(mount.Type)}: ${why}`);
}

/** One of `HostConfig.Mounts`. `version`: minor of the API. Throws with Docker's texts. */
export function parseMount(mount: MountBody, version: number): MountOption {
  assertOwnOptions(mount);
  if (mount.Target === '') refuse(mount, 'field Target must not be empty');
  if (normalize(mount.Target.replaceAll('\\', '/')).replace(/(.)\/$/, '$1') === '/') {
    refuse(mount, "invalid specification: destination can't be '/'");
  }
  if (!isAbsolute(mount.Target)) refuse(mount, `invalid mount path: '${mount.Target}' mount path must be absolute`);
  const base = { target: mount.Target, readOnly: mount.ReadOnly };
  if (mount.Type === 'bind') return { ...base, ...bindOf(mount, version) };
  if (mount.Type === 'volume') return { ...base, ...volumeOf(mount, version) };
  if (mount.Type === 'tmpfs') return { ...base, ...tmpfsOf(mount) };
  return refuse(mount, 'mount type unknown');
}

/** Options of one type do not go with another. */
function assertOwnOptions(mount: MountBody): void {
  const owners = [
    ['bind', 'BindOptions', mount.BindOptions],
    ['volume', 'VolumeOptions', mount.VolumeOptions],
    ['tmpfs', 'TmpfsOptions', mount.TmpfsOptions],
  ] as const;
  for (const [type, name, options] of owners) {
    if (mount.Type !== type && options) refuse(mount, `field ${name} must not be specified`);
  }
}

/** From this version on, a read-only mount makes what is mounted below it read-only too. */
export const RECURSIVE_READ_ONLY = 44;

function bindOf(mount: MountBody, version: number): OfType {
  if (mount.Source === '') refuse(mount, 'field Source must not be empty');
  const options = mount.BindOptions;
  const propagation = options?.Propagation ?? '';
  if (propagation !== '' && !PROPAGATIONS.includes(propagation)) {
    refuse(mount, `invalid propagation mode: ${propagation}`);
  }
  if (!isAbsolute(mount.Source)) refuse(mount, `invalid mount path: '${mount.Source}' mount path must be absolute`);
  const nonRecursive = options?.NonRecursive ?? false;
  return {
    type: 'bind',
    source: mount.Source,
    createMountpoint: options?.CreateMountpoint ?? false,
    ...(propagation === '' ? {} : { propagation }),
    ...(nonRecursive ? { nonRecursive } : {}),
    ...readOnlyBelow(mount, version),
  };
}

function readOnlyBelow(mount: MountBody, version: number): Pick<OfType, 'readOnlyBelow'> {
  const { NonRecursive: flat, ReadOnlyNonRecursive: no, ReadOnlyForceRecursive: force } = mount.BindOptions ?? {};
  const clash = (text: string): never => {
    throw invalid('invalid_mount', `mount options conflict: ${text}`);
  };
  if (force && version < RECURSIVE_READ_ONLY) {
    throw invalid('invalid_mount', 'BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer');
  }
  if (!mount.ReadOnly && no) clash('!ReadOnly && BindOptions.ReadOnlyNonRecursive');
  if (!mount.ReadOnly && force) clash('!ReadOnly && BindOptions.ReadOnlyForceRecursive');
  if (no && force) clash('ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive');
  if (force) return { readOnlyBelow: 'must' };
  return mount.ReadOnly && !no && !flat && version >= RECURSIVE_READ_ONLY ? { readOnlyBelow: 'try' } : {};
}

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

export function assertVolumeName(name: string): void {
  if (VOLUME_NAME.test(name)) return;
  const why =
    name.length === 1
      ? 'volume name is too short, names should be at least two alphanumeric characters'
      : `${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" ` +
        'are allowed. If you intended to pass a host directory, use absolute path';
  throw invalid('invalid_volume_name', `create ${name}: ${why}`);
}

const SUBPATH = 45;

function volumeOf(mount: MountBody, version: number): OfType {
  const options = mount.VolumeOptions;
  const subpath = options?.Subpath ?? '';
  if (mount.Source !== '') assertVolumeName(mount.Source);
  if (subpath !== '') {
    if (version < SUBPATH) throw invalid('invalid_mount', 'VolumeOptions.Subpath needs API v1.45 or newer');
    if (mount.Source === '') refuse(mount, 'must not set Subpath when using anonymous volumes');
    if (isAbsolute(subpath) || `${normalize(subpath)}/`.startsWith('../')) {
      refuse(mount, 'subpath must be a relative path within the volume');
    }
  }
  return {
    type: 'volume',
    ...(mount.Source === '' ? {} : { source: mount.Source }),
    noCopy: options?.NoCopy ?? false,
    volumeLabels: options?.Labels ?? {},
    ...(options?.DriverConfig?.Name ? { volumeDriver: options.DriverConfig.Name } : {}),
    volumeDriverOptions: options?.DriverConfig?.Options ?? {},
    ...(subpath === '' ? {} : { subpath }),
  };
}

function tmpfsOf(mount: MountBody): OfType {
  if (mount.Source !== '') refuse(mount, 'field Source must not be specified');
  const { SizeBytes: size, Mode: mode, Options: options = [] } = mount.TmpfsOptions ?? {};
  for (const words of options) {
    const [name = ''] = words;
    if (words.length < 1 || words.length > 2) refuse(mount, 'invalid option array length');
    if (!['exec', 'noexec'].includes(name)) refuse(mount, `invalid option: ${name}`);
  }
  return {
    type: 'tmpfs',
    ...(size === null || size === undefined ? {} : { tmpfsSize: size }),
    ...(mode === null || mode === undefined ? {} : { tmpfsMode: mode }),
    ...(options.length > 0 ? { tmpfsOptions: options.map((words) => words.join('=')) } : {}),
  };
}
