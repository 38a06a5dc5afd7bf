import { createHash } from 'node:crypto';
import { conflict, notFound } from '../../../base/index.ts';
import type {
  ContentInfo,
  Descriptor,
  ImageRecord,
  IngestOptions,
  Mount,
  NewImage,
  SnapshotInfo,
} from '../../containerd/index.ts';
import { decompressed } from '../archive/index.ts';
import type { ImageEngine, UploadWriter } from '../blobs/index.ts';
import { digestOf } from '../format/index.ts';

interface Blob {
  readonly bytes: Buffer;
  labels: Record<string, string>;
}

/** containerd's content, names, leases and snapshots in memory, as far as images use them. Collects no garbage. */
export class FakeEngine implements ImageEngine {
  readonly blobs = new Map<string, Blob>();
  readonly names = new Map<string, ImageRecord>();
  readonly trees = new Map<string, SnapshotInfo>();
  readonly openLeases = new Set<string>();
  /** Unfinished uploads by ref. */
  readonly uploads = new Map<string, Buffer>();
  /** Every layer that was unpacked, in order. */
  readonly applied: string[] = [];
  #time = 0n;

  readonly content: ImageEngine['content'] = {
    find: async (digest) => this.#info(digest),
    read: (digest) => this.#read(digest),
    readAll: async (digest) => this.#blob(digest).bytes,
    write: async (source, options) => {
      const chunks: Buffer[] = [];
      for await (const chunk of source) chunks.push(Buffer.from(chunk));
      const bytes = Buffer.concat(chunks);
      const digest = digestOf(bytes);
      if (options.expected !== undefined && options.expected !== digest) {
        throw conflict('containerd_precondition', `unexpected commit digest ${digest}, expected ${options.expected}`);
      }
      if (!this.blobs.has(digest)) this.blobs.set(digest, { bytes, labels: { ...options.labels } });
      return { digest, size: bytes.length };
    },
    openWriter: async (options) => this.#writer(options),
    status: async (ref) => {
      const bytes = this.uploads.get(ref);
      return bytes ? { offset: bytes.length, total: 0 } : null;
    },
    abort: async (ref) => {
      this.uploads.delete(ref);
    },
    setLabels: async (digest, labels) => {
      const blob = this.#blob(digest);
      blob.labels = { ...blob.labels, ...labels };
    },
    delete: async (digest) => {
      this.blobs.delete(digest);
    },
  };

  readonly images: ImageEngine['images'] = {
    list: async () => [...this.names.values()],
    create: async (image) => {
      if (this.names.has(image.name)) throw conflict('containerd_exists', `image "${image.name}": already exists`);
      return this.#name(image);
    },
    update: async (image) => this.#name(image),
    delete: async (name) => {
      if (!this.names.delete(name)) throw notFound('containerd_not_found', `image "${name}": not found`);
    },
  };

  readonly leases: ImageEngine['leases'] = {
    create: async ({ id, labels }) => {
      this.openLeases.add(id);
      return { id, labels: labels ?? {}, createdAt: 0n };
    },
    delete: async (id) => {
      this.openLeases.delete(id);
    },
    list: async () => [...this.openLeases].map((id) => ({ id, labels: {}, createdAt: 0n })),
    addResource: async () => {},
  };

  readonly snapshots: ImageEngine['snapshots'] = {
    snapshotter: 'fake',
    prepare: async (key, { parent = '', labels = {} } = {}) => this.#tree(key, parent, 'active', labels),
    view: async (key, { parent = '', labels = {} } = {}) => this.#tree(key, parent, 'view', labels),
    mounts: async (key) => {
      this.#stat(key);
      return mountsOf(key);
    },
    commit: async (name, key) => {
      const active = this.#stat(key);
      this.trees.delete(key);
      this.trees.set(name, { ...active, name, kind: 'committed' });
    },
    remove: async (key) => {
      this.#stat(key);
      this.trees.delete(key);
    },
    stat: async (key) => this.#stat(key),
    usage: async (key) => {
      this.#stat(key);
      return { size: 1000, inodes: 1 };
    },
  };

  readonly diff: ImageEngine['diff'] = {
    apply: async (layer) => {
      const hash = createHash('sha256');
      let size = 0;
      for await (const chunk of await decompressed(this.#read(layer.digest))) {
        hash.update(chunk);
        size += chunk.length;
      }
      this.applied.push(layer.digest);
      return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${hash.digest('hex')}`, size };
    },
    diff: async (_lower, _upper, options): Promise<Descriptor> => {
      const bytes = Buffer.from(`changes ${options.ref}`);
      const digest = digestOf(bytes);
      this.blobs.set(digest, { bytes, labels: { ...options.labels } });
      return { mediaType: options.mediaType, digest, size: bytes.length };
    },
  };

  #writer({ ref, expected, labels }: IngestOptions): UploadWriter {
    const held = (): Buffer => this.uploads.get(ref) ?? Buffer.alloc(0);
    return {
      get offset() {
        return held().length;
      },
      write: async (data) => {
        this.uploads.set(ref, Buffer.concat([held(), data]));
      },
      commit: async () => {
        const bytes = held();
        const digest = digestOf(bytes);
        if (expected !== undefined && expected !== digest) {
          throw conflict('containerd_precondition', `unexpected commit digest ${digest}, expected ${expected}`);
        }
        this.uploads.delete(ref);
        this.blobs.set(digest, { bytes, labels: { ...labels } });
        return { digest, size: bytes.length };
      },
      close: () => {},
    };
  }

  async *#read(digest: string): AsyncGenerator<Buffer, void, undefined> {
    yield this.#blob(digest).bytes;
  }

  #blob(digest: string): Blob {
    const blob = this.blobs.get(digest);
    if (!blob) throw notFound('containerd_not_found', `content ${digest}: not found`);
    return blob;
  }

  #info(digest: string): ContentInfo | null {
    const blob = this.blobs.get(digest);
    return blob ? { digest, size: blob.bytes.length, labels: blob.labels, createdAt: 0n } : null;
  }

  #name({ name, target, labels = {} }: NewImage): ImageRecord {
    this.#time += 1n;
    const createdAt = this.names.get(name)?.createdAt ?? this.#time;
    const record = { name, target, labels, createdAt, updatedAt: this.#time };
    this.names.set(name, record);
    return record;
  }

  #stat(key: string): SnapshotInfo {
    const tree = this.trees.get(key);
    if (!tree) throw notFound('containerd_not_found', `snapshot ${key} does not exist: not found`);
    return tree;
  }

  #tree(key: string, parent: string, kind: 'active' | 'view', labels: Readonly<Record<string, string>>): Mount[] {
    if (this.trees.has(key)) throw conflict('containerd_exists', `snapshot ${key}: already exists`);
    if (parent !== '') this.#stat(parent);
    this.trees.set(key, { name: key, parent, kind, labels, createdAt: 0n });
    return mountsOf(key);
  }
}

function mountsOf(key: string): Mount[] {
  return [{ type: 'bind', source: `/fake/${key}`, options: ['rw'] }];
}
