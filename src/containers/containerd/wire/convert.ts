/** 64-bit numbers cross the wire module as decimal strings; timestamps become nanoseconds since the epoch. */
export interface WireTimestamp {
  readonly seconds: string;
  readonly nanos: number;
}

export interface WireAny {
  readonly typeUrl: string;
  readonly value: Buffer;
}

/** 0n for "never": absent, or Go's zero time. */
export function nanosOf(time: WireTimestamp | null | undefined): bigint {
  if (!time) return 0n;
  const seconds = BigInt(time.seconds);
  return seconds < 0n ? 0n : seconds * 1_000_000_000n + BigInt(time.nanos);
}

/** An Any that holds JSON, as containerd's typeurl package marks it. */
export function jsonAny(typeUrl: string, value: unknown): WireAny {
  return { typeUrl, value: Buffer.from(JSON.stringify(value)) };
}

/** The message name at the end of a type URL: with or without a host in front. */
export function typeName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

const RUNTIME_SPEC = 'types.containerd.io/opencontainers/runtime-spec/1';

export const TYPE_URL = {
  spec: `${RUNTIME_SPEC}/Spec`,
  process: `${RUNTIME_SPEC}/Process`,
  resources: `${RUNTIME_SPEC}/LinuxResources`,
  runcOptions: 'containerd.runc.v1.Options',
} as const;
