import { resolve } from 'node:path';
import type { MountSpec } from '../../client/index.ts';
import { parseBool } from '../grammar/index.ts';
import { parseBytes } from './amounts.ts';
import { csvFields, keyValue } from './csv.ts';

const FLAG_KEYS = new Set(['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive']);

/** Reads one `--mount type=bind,source=…,target=…`. */
export function parseMount(text: string): MountSpec {
  const mount: MountSpec = { Type: 'volume', Target: '' };
  for (const field of csvFields(text)) {
    const { key, value } = keyValue(field);
    if (value === undefined && !FLAG_KEYS.has(key)) {
      throw new Error(`invalid field '${field}' must be a key=value pair`);
    }
    setField(mount, { key, value: value ?? 'true', field });
  }
  check(mount);
  return mount;
}

function setField(mount: MountSpec, given: { key: string; value: string; field: string }): void {
  const { key, value, field } = given;
  if (key === 'type') mount.Type = value.toLowerCase();
  else if (key === 'source' || key === 'src') mount.Source = value.startsWith('.') ? resolve(value) : value;
  else if (key === 'target' || key === 'dst' || key === 'destination') mount.Target = value;
  else if (key === 'readonly' || key === 'ro') mount.ReadOnly = truth(key, value);
  else if (key === 'consistency') mount.Consistency = value.toLowerCase();
  else if (key.startsWith('bind-')) mount.BindOptions = { ...mount.BindOptions, ...bindOption(key, value) };
  else if (key.startsWith('volume-')) setVolumeOption(mount, { key, value });
  else if (key === 'image-subpath') mount.ImageOptions = { Subpath: value };
  else if (key === 'tmpfs-size') mount.TmpfsOptions = { ...mount.TmpfsOptions, SizeBytes: parseBytes(value) };
  else if (key === 'tmpfs-mode') mount.TmpfsOptions = { ...mount.TmpfsOptions, Mode: octal(value) };
  else throw new Error(`unexpected key '${key}' in '${field}'`);
}

function bindOption(key: string, value: string): Record<string, unknown> {
  switch (key) {
    case 'bind-propagation':
      return { Propagation: value.toLowerCase() };
    case 'bind-nonrecursive':
      return { NonRecursive: truth(key, value) };
    case 'bind-create-src':
    case 'bind-create-mountpoint':
      return { CreateMountpoint: truth(key, value) };
    case 'bind-recursive':
      return recursion(value);
    default:
      throw new Error(`unexpected key '${key}' in '${key}=${value}'`);
  }
}

function recursion(value: string): Record<string, unknown> {
  if (value === 'enabled') return {};
  if (value === 'disabled') return { NonRecursive: true };
  if (value === 'writable') return { ReadOnlyNonRecursive: true };
  if (value === 'readonly') return { ReadOnlyForceRecursive: true };
  throw new Error(
    `invalid value for bind-recursive: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
  );
}

function setVolumeOption(mount: MountSpec, given: { key: string; value: string }): void {
  const options = mount.VolumeOptions ?? {};
  const { key, value } = given;
  if (key === 'volume-nocopy') options.NoCopy = truth(key, value);
  else if (key === 'volume-subpath') options.Subpath = value;
  else if (key === 'volume-label') options.Labels = { ...(options.Labels as object), ...pair(value) };
  else if (key === 'volume-driver') options.DriverConfig = { ...(options.DriverConfig as object), Name: value };
  else if (key === 'volume-opt') {
    const config = (options.DriverConfig ?? {}) as { Options?: object };
    options.DriverConfig = { ...config, Options: { ...config.Options, ...pair(value) } };
  } else throw new Error(`unexpected key '${key}' in '${key}=${value}'`);
  mount.VolumeOptions = options;
}

function check(mount: MountSpec): void {
  if (mount.Type === '') throw new Error('type is required');
  if (mount.Target === '') throw new Error('target is required');
  if (mount.VolumeOptions !== undefined && mount.Type !== 'volume') {
    throw new Error(`cannot mix 'volume-*' options with mount type '${mount.Type}'`);
  }
  if (mount.BindOptions !== undefined && mount.Type !== 'bind') {
    throw new Error(`cannot mix 'bind-*' options with mount type '${mount.Type}'`);
  }
  if (mount.TmpfsOptions !== undefined && mount.Type !== 'tmpfs') {
    throw new Error(`cannot mix 'tmpfs-*' options with mount type '${mount.Type}'`);
  }
}

function truth(key: string, value: string): boolean {
  const parsed = parseBool(value);
  if (parsed === undefined) throw new Error(`invalid value for ${key}: ${value}`);
  return parsed;
}

function octal(value: string): number {
  if (!/^[0-7]+$/.test(value)) throw new Error(`invalid value for tmpfs-mode: ${value}`);
  return Number.parseInt(value, 8);
}

function pair(text: string): Record<string, string> {
  const equals = text.indexOf('=');
  return equals < 0 ? { [text]: '' } : { [text.slice(0, equals)]: text.slice(equals + 1) };
}

export interface VolumeFlags {
  /** `source:target[:mode]`, a relative source made absolute. */
  readonly binds: readonly string[];
  /** Targets alone: the daemon makes a volume without a name. */
  readonly anonymous: Record<string, object>;
}

/** Reads every `--volume`. */
export function parseVolumes(specs: readonly string[]): VolumeFlags {
  const binds: string[] = [];
  const anonymous: Record<string, object> = {};
  for (const spec of specs) {
    const [source = '', ...rest] = spec.split(':');
    if (spec === '') throw new Error('invalid empty volume spec');
    if (rest.length > 2 || rest[0] === '') throw new Error(`invalid spec: ${spec}: empty section between colons`);
    if (rest.length === 0) anonymous[source] = {};
    else if (source === '') throw new Error(`invalid spec: ${spec}: empty section between colons`);
    else binds.push([/^\.{1,2}(\/|$)/.test(source) ? resolve(source) : source, ...rest].join(':'));
  }
  return { binds, anonymous };
}
