import { type Schema, TYPE_URL, typeName, type WireAny } from '../wire/index.ts';

/** What the shim hands to runc. */
export interface RuncOptions {
  /** The OCI runtime's program; runc when empty. */
  readonly binaryName?: string;
  /** Where the runtime keeps its state; `/run/containerd/runc` when empty. */
  readonly root?: string;
  readonly systemdCgroup?: boolean;
  readonly noPivotRoot?: boolean;
  readonly noNewKeyring?: boolean;
  readonly shimCgroup?: string;
  /** Owner of the stdio pipes that the shim makes, for user namespaces. */
  readonly ioUid?: number;
  readonly ioGid?: number;
}

export function encodeRuncOptions(schema: Schema, options: RuncOptions): WireAny {
  return { typeUrl: TYPE_URL.runcOptions, value: schema.encode('payloads.RuncOptions', options) };
}

export function decodeRuncOptions(schema: Schema, any: WireAny | null | undefined): RuncOptions {
  if (!any || typeName(any.typeUrl) !== TYPE_URL.runcOptions) return {};
  return schema.decode('payloads.RuncOptions', any.value);
}
