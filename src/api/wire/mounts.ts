import { isAbsolute } from 'node:path/posix';
import { invalid } from '../../base/index.ts';
import type { MountOption, MountOptions } from '../../containers/options.ts';
import type { CreateBody, HostConfigBody, MountBody } from './container-create.ts';

const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
const LABELS = ['z', 'Z'];
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Everything a create call says of mounts. Those of `Binds` come first in `mounts`. */
export function parseMounts(body: CreateBody, host: HostConfigBody): MountOptions {
  const mounts = [...host.Binds.map(parseBind), ...host.Mounts.map(parseMount)];
  const targets = new Set<string>();
  for (const { target } of mounts) {
    if (targets.has(target)) throw invalid('duplicate_mount', `Duplicate mount point: ${target}`);
    targets.add(target);
  }
  for (const target of Object.keys(host.Tmpfs)) assertTarget(target, target);
  return {
    binds: host.Binds,
    mounts,
    tmpfs: host.Tmpfs,
    volumesFrom: host.VolumesFrom,
    anonymous: Object.keys(body.Volumes).filter((target) => !targets.has(target)),
  };
}

/** `[source:]target[:mode]`. A source that is no path names a volume. */
export function parseBind(spec: string): MountOption {
  const parts = spec.split(':');
  const [one = '', two, mode = ''] = parts;
  if (parts.length > 3 || parts.some((part) => part === '')) throw badSpec(spec);
  if (two === undefined) return { type: 'volume', target: assertTarget(one, spec), readOnly: false };
  // `/data:ro` says a target and a mode; anything else in second place is a target.
  if (parts.length === 2 && isMode(two) && isAbsolute(one)) {
    return { type: 'volume', target: assertTarget(one, spec), ...modeOf(two, spec) };
  }
  const target = assertTarget(two, spec);
  const { readOnly, propagation, noCopy } = modeOf(mode, spec);
  if (isAbsolute(one)) {
    return {
      type: 'bind',
      source: one,
      target,
      readOnly,
      createMountpoint: true,
      ...(propagation === undefined ? {} : { propagation }),
    };
  }
  if (!VOLUME_NAME.test(one)) {
    throw invalid(
      'invalid_volume',
      `create ${one}: ${JSON.stringify(one)} includes invalid characters for a local volume name, only ` +
        '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
    );
  }
  return { type: 'volume', source: one, target, readOnly, ...(noCopy ? { noCopy } : {}) };
}

function badSpec(spec: string, why = ''): Error {
  return invalid('invalid_volume', `invalid volume specification: '${spec}'${why}`);
}

function assertTarget(target: string, spec: string): string {
  if (!isAbsolute(target)) throw badSpec(spec, `: invalid mount path: '${target}' mount path must be absolute`);
  const plain = target.length > 1 ? target.replace(/\/+$/, '') : target;
  if (plain === '/' || plain === '') throw badSpec(spec, ": invalid specification: destination can't be '/'");
  return plain;
}

function isMode(text: string): boolean {
  return text.split(',').every((word) => isModeWord(word));
}

function isModeWord(word: string): boolean {
  return ['ro', 'rw', 'nocopy', ...LABELS, ...PROPAGATIONS].includes(word);
}

function modeOf(
  mode: string,
  spec: string,
): { readonly readOnly: boolean; readonly propagation?: string; readonly noCopy?: boolean } {
  const words = mode === '' ? [] : mode.split(',');
  const unknown = words.find((word) => !isModeWord(word));
  if (unknown !== undefined) throw badSpec(spec, `: invalid mode: ${mode}`);
  const propagation = words.find((word) => PROPAGATIONS.includes(word));
  return {
    readOnly: words.includes('ro'),
    ...(propagation === undefined ? {} : { propagation }),
    ...(words.includes('nocopy') ? { noCopy: true } : {}),
  };
}

function badMount(mount: MountBody, why: string): Error {
  return invalid('invalid_mount', `invalid mount config for type "${mount.Type}": ${why}`);
}

function parseMount(mount: MountBody): MountOption {
  if (mount.Target === '') throw badMount(mount, 'field Target must not be empty');
  if (!isAbsolute(mount.Target)) {
    throw badMount(mount, `invalid mount path: '${mount.Target}' mount path must be absolute`);
  }
  const base = { target: mount.Target, readOnly: mount.ReadOnly };
  if (mount.Type === 'bind') return { ...base, ...bindOf(mount) };
  if (mount.Type === 'volume') return { ...base, ...volumeOf(mount) };
  if (mount.Type === 'tmpfs') return { ...base, ...tmpfsOf(mount) };
  throw invalid('invalid_mount', `invalid mount config for type "${mount.Type}": mount type unknown`);
}

function bindOf(mount: MountBody): Omit<MountOption, 'target' | 'readOnly'> {
  if (mount.Source === '') throw badMount(mount, 'field Source must not be empty');
  if (!isAbsolute(mount.Source)) {
    throw badMount(mount, `invalid mount path: '${mount.Source}' mount path must be absolute`);
  }
  if (mount.VolumeOptions) throw badMount(mount, 'field VolumeOptions must not be specified');
  const propagation = mount.BindOptions?.Propagation ?? '';
  if (propagation !== '' && !PROPAGATIONS.includes(propagation)) {
    throw badMount(mount, `invalid propagation mode: ${propagation}`);
  }
  return {
    type: 'bind',
    source: mount.Source,
    createMountpoint: mount.BindOptions?.CreateMountpoint ?? false,
    ...(propagation === '' ? {} : { propagation }),
  };
}

function volumeOf(mount: MountBody): Omit<MountOption, 'target' | 'readOnly'> {
  if (mount.BindOptions) throw badMount(mount, 'field BindOptions must not be specified');
  const options = mount.VolumeOptions;
  if (mount.Source !== '' && !VOLUME_NAME.test(mount.Source)) {
    throw badMount(mount, `invalid volume name: ${JSON.stringify(mount.Source)}`);
  }
  return {
    type: 'volume',
    ...(mount.Source === '' ? {} : { source: mount.Source }),
    noCopy: options?.NoCopy ?? false,
    volumeLabels: options?.Labels ?? {},
    ...(options?.DriverConfig?.Name ? { volumeDriver: options.DriverConfig.Name } : {}),
    volumeDriverOptions: options?.DriverConfig?.Options ?? {},
  };
}

function tmpfsOf(mount: MountBody): Omit<MountOption, 'target' | 'readOnly'> {
  if (mount.Source !== '') throw badMount(mount, 'field Source must not be specified');
  const { SizeBytes: size, Mode: mode } = mount.TmpfsOptions ?? {};
  return {
    type: 'tmpfs',
    ...(size === null || size === undefined ? {} : { tmpfsSize: size }),
    ...(mode === null || mode === undefined ? {} : { tmpfsMode: mode }),
  };
}
