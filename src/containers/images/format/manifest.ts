import { createHash } from 'node:crypto';
import { invalid, messageOf } from '../../../base/index.ts';
import type { Descriptor } from '../../containerd/index.ts';
import type { ImageConfigFile } from './config.ts';

export const MEDIA_TYPE = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface IndexEntry extends Descriptor {
  readonly platform?: Platform;
}

export interface ManifestIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly manifests: readonly IndexEntry[];
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociIndex || mediaType === MEDIA_TYPE.dockerList;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociManifest || mediaType === MEDIA_TYPE.dockerManifest;
}

/** Twelve digits, as Docker shows a layer. */
export function shortDigest(digest: string): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 12);
}

export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function parseJson(bytes: Buffer, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw invalid('invalid_image', `invalid ${what}: ${messageOf(error)}`, error);
  }
  throw invalid('invalid_image', `invalid ${what}: not a JSON object`);
}

function isDescriptor(value: unknown): value is Descriptor {
  if (typeof value !== 'object' || value === null) return false;
  const { digest, size, mediaType } = value as Partial<Record<keyof Descriptor, unknown>>;
  return (
    typeof digest === 'string' &&
    /^sha256:[0-9a-f]{64}$/.test(digest) &&
    typeof size === 'number' &&
    Number.isSafeInteger(size) &&
    size >= 0 &&
    typeof mediaType === 'string'
  );
}

/** Configurations are read into memory. */
const CONFIG_MAX = 8 << 20;
/** Docker's: no more layers can be mounted on top of each other. */
const DEPTH_MAX = 125;

/** Refuses what is no manifest of an image: another schema, a missing or malformed descriptor. */
export function parseManifest(bytes: Buffer): Manifest {
  const json = parseJson(bytes, 'image manifest');
  const { schemaVersion, config, layers } = json;
  if (schemaVersion !== 2)
    throw invalid('invalid_image', `unsupported manifest schema version ${String(schemaVersion)}`);
  if (!isDescriptor(config) || !Array.isArray(layers) || !layers.every(isDescriptor)) {
    throw invalid('invalid_image', 'invalid image manifest: it has no config or no layers');
  }
  if (config.size > CONFIG_MAX) {
    throw invalid('invalid_image', `invalid image manifest: its configuration of ${config.size} bytes is too large`);
  }
  if (layers.length > DEPTH_MAX) throw invalid('invalid_image', 'max depth exceeded');
  return json as unknown as Manifest;
}

export function parseIndex(bytes: Buffer): ManifestIndex {
  const json = parseJson(bytes, 'image index');
  if (!Array.isArray(json.manifests) || !json.manifests.every(isDescriptor)) {
    throw invalid('invalid_image', 'invalid image index: it has no manifests');
  }
  return json as unknown as ManifestIndex;
}

/** Refuses a configuration without platform or layer list. */
export function parseConfig(bytes: Buffer): ImageConfigFile {
  const json = parseJson(bytes, 'image configuration');
  const rootfs = json.rootfs as { diff_ids?: unknown } | null | undefined;
  const diffIds = rootfs?.diff_ids ?? [];
  const valid =
    Array.isArray(diffIds) && diffIds.every((id) => typeof id === 'string' && /^sha256:[0-9a-f]{64}$/.test(id));
  if (typeof rootfs !== 'object' || rootfs === null || !valid) {
    throw invalid('invalid_image', 'invalid image configuration: it has no list of layers (rootfs.diff_ids)');
  }
  const text = (key: string, fallback: string): string =>
    typeof json[key] === 'string' ? (json[key] as string) : fallback;
  return {
    ...(json as unknown as ImageConfigFile),
    os: text('os', 'linux'),
    architecture: text('architecture', ''),
  };
}

const ARCHITECTURES: Readonly<Record<string, Platform>> = {
  x64: { os: 'linux', architecture: 'amd64' },
  arm64: { os: 'linux', architecture: 'arm64', variant: 'v8' },
  arm: { os: 'linux', architecture: 'arm', variant: 'v7' },
  ia32: { os: 'linux', architecture: '386' },
  ppc64: { os: 'linux', architecture: 'ppc64le' },
};

/** The platform of the machine, in the registry's words. */
export function hostPlatform(arch: string = process.arch): Platform {
  return ARCHITECTURES[arch] ?? { os: 'linux', architecture: arch };
}

/** `linux/arm64/v8` and shorter forms; the machine's own fills what is missing. */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) {
    throw invalid('invalid_platform', `"${text}" is an invalid platform: use os[/arch[/variant]]`);
  }
  const [first, second, variant] = parts;
  if (second === undefined) {
    return first === host.os ? host : { os: host.os, architecture: normalArchitecture(first ?? '') };
  }
  return { os: first ?? host.os, architecture: normalArchitecture(second), variant };
}

function normalArchitecture(architecture: string): string {
  const aliases: Readonly<Record<string, string>> = {
    x86_64: 'amd64',
    'x86-64': 'amd64',
    aarch64: 'arm64',
    i386: '386',
    armhf: 'arm',
  };
  return aliases[architecture] ?? architecture;
}

export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(Boolean).join('/');
}

/** Is an image of one platform what was asked for? A variant that either does not name fits every variant. */
export function fitsPlatform(image: Platform, wanted: Platform): boolean {
  if (image.os !== wanted.os || image.architecture !== wanted.architecture) return false;
  return !image.variant || !wanted.variant || image.variant === wanted.variant;
}

/** The entry for a platform; one without a variant fits every variant, and the exact one wins. */
export function selectManifest(index: ManifestIndex, wanted: Platform): IndexEntry | undefined {
  const fitting = index.manifests.filter(
    ({ platform }) => platform?.os === wanted.os && platform.architecture === wanted.architecture,
  );
  return (
    fitting.find(({ platform }) => (platform?.variant ?? '') === (wanted.variant ?? '')) ??
    fitting.find(({ platform }) => !platform?.variant || !wanted.variant) ??
    (index.manifests.length === 1 && !index.manifests[0]?.platform ? index.manifests[0] : undefined)
  );
}

/** Identifies a stack of layers: each id hashes the one below and the layer on top. The last names the whole. */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}

/** Labels that keep what a manifest names from containerd's garbage collector. */
export function gcLabels(manifest: Manifest): Record<string, string> {
  const labels: Record<string, string> = { 'containerd.io/gc.ref.content.config': manifest.config.digest };
  for (const [index, layer] of manifest.layers.entries())
    labels[`containerd.io/gc.ref.content.l.${index}`] = layer.digest;
  return labels;
}
