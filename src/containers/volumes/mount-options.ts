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
  nodev: MountFlags.noDev,
  noexec: MountFlags.noExec,
  noatime: MountFlags.noAtime,
  relatime: MountFlags.relAtime,
  bind: MountFlags.bind,
  rbind: MountFlags.bind | MountFlags.recursive,
  defaults: 0,
};

/** The `local` driver's `type`, `o` and `device`; undefined for a plain folder. Throws with Docker's texts. */
export function parseMountOptions(options: Readonly<Record<string, string>>): VolumeMount | undefined {
  for (const key of Object.keys(options)) {
    if (!['type', 'o', 'device', 'size'].includes(key)) {
      throw invalid('invalid_volume_option', `invalid option: "${key}"`);
    }
  }
  if (options.type === undefined && options.o === undefined && options.device === undefined) return undefined;
  if (!options.device) throw invalid('missing_volume_option', 'missing device in volume options');
  let flags = 0;
  const data: string[] = [];
  for (const option of (options.o ?? '').split(',')) {
    const flag = FLAGS[option];
    if (flag !== undefined) flags |= flag;
    else if (option !== '') data.push(option);
  }
  if ((flags & MountFlags.bind) === 0 && !options.type) {
    throw invalid('missing_volume_option', 'missing required option: "type"');
  }
  return {
    source: options.device,
    flags,
    ...(options.type && { type: options.type }),
    ...(data.length > 0 && { data: data.join(',') }),
  };
}
