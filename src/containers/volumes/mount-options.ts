import { invalid } from '../../base/index.ts';
import { MountFlags } from '../../kernel/index.ts';

export interface VolumeMount {
  readonly source: string;
  readonly type?: string;
  readonly flags: number;
  readonly data?: string;
}

const FLAGS: Readonly<Record<string, number>> = {
  ro: MountFlags.readOnly,
  rw: 0,
  nosuid: MountFlags.noSuid,
  suid: 0,
  nodev: MountFlags.noDev,
  dev: 0,
  noexec: MountFlags.noExec,
  exec: 0,
  noatime: MountFlags.noAtime,
  relatime: MountFlags.relAtime,
  bind: MountFlags.bind,
  rbind: MountFlags.bind | MountFlags.recursive,
  defaults: 0,
};

/** An option → those it makes no sense without. */
const NEEDS: readonly (readonly [string, readonly string[]])[] = [
  ['device', ['type']],
  ['type', ['device']],
  ['o', ['device', 'type']],
];

/** The `local` driver's `type`, `o`, `device` and `size`, judged before a volume is made. Throws with Docker's texts. */
export function assertVolumeOptions(options: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(options)) {
    if (!['type', 'o', 'device', 'size'].includes(key)) {
      throw invalid('invalid_volume_option', `invalid option: "${key}"`);
    }
  }
  if (options.type === 'cifs' && /^[a-z]*:?\/\/[^/]*:\d+(\/|$)/i.test(options.device ?? '')) {
    throw invalid('invalid_volume_option', "port not allowed in CIFS device URL, include 'port' in 'o='");
  }
  if (options.size !== undefined) assertSize(options.size);
  for (const [option, needed] of NEEDS) {
    if (options[option] === undefined) continue;
    for (const other of needed) {
      if (options[other] === undefined) {
        throw invalid('missing_volume_option', `missing required option: "${other}"`);
      }
    }
  }
}

/** A quota takes a file system that can set one; nothing here does. */
function assertSize(size: string): void {
  const parts = /^(\d+(?:\.\d+)?) ?[kmgtp]?i?b?$/i.exec(size);
  if (!parts) throw invalid('invalid_volume_option', `invalid size: '${size}'`);
  if (Number(parts[1]) > 0) {
    throw invalid('no_quota', 'quota size requested but no quota support');
  }
}

/** What is to be mounted for a volume; undefined for a plain folder. Throws with Docker's text. */
export function parseMountOptions(options: Readonly<Record<string, string>>): VolumeMount | undefined {
  if (!options.type && !options.device) return undefined;
  if (!options.device) throw invalid('missing_volume_option', 'missing device in volume options');
  let flags = 0;
  const data: string[] = [];
  for (const option of (options.o ?? '').split(',')) {
    const flag = FLAGS[option];
    if (flag !== undefined) flags |= flag;
    else if (option !== '') data.push(option);
  }
  return {
    source: options.device,
    flags,
    ...(options.type && { type: options.type }),
    ...(data.length > 0 && { data: data.join(',') }),
  };
}
