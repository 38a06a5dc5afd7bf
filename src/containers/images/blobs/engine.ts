import type {
  ContentService,
  ContentWriter,
  DiffService,
  ImagesService,
  IngestOptions,
  LeasesService,
  SnapshotsService,
} from '../../containerd/index.ts';

/** One upload into the content store. */
export type UploadWriter = Pick<ContentWriter, keyof ContentWriter>;

/** What images need of containerd. A `Containerd` is one; tests bring their own. */
export interface ImageEngine {
  readonly content: Pick<
    ContentService,
    'find' | 'read' | 'readAll' | 'write' | 'status' | 'abort' | 'setLabels' | 'delete'
  > & { openWriter(options: IngestOptions): Promise<UploadWriter> };
  readonly images: Pick<ImagesService, 'list' | 'create' | 'update' | 'delete'>;
  readonly leases: Pick<LeasesService, 'create' | 'delete' | 'list' | 'addResource'>;
  readonly snapshots: Pick<
    SnapshotsService,
    'snapshotter' | 'prepare' | 'view' | 'mounts' | 'commit' | 'remove' | 'stat' | 'usage'
  >;
  readonly diff: Pick<DiffService, 'apply' | 'diff'>;
}
