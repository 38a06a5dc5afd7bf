/** A mount as containerd and runc write it: `mount -t type -o options source`. */
export interface Mount {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface WireMount {
  readonly type: string;
  readonly source: string;
  readonly options: string[];
}

export function mountOf({ type, source, options }: WireMount): Mount {
  return { type, source, options };
}
