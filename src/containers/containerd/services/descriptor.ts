/** Points at a blob: what it is, its digest and its size. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface WireDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: string;
  readonly annotations: Record<string, string>;
}

export function descriptorOf(wire: WireDescriptor): Descriptor {
  return {
    mediaType: wire.mediaType,
    digest: wire.digest,
    size: Number(wire.size),
    ...(Object.keys(wire.annotations).length > 0 && { annotations: wire.annotations }),
  };
}
