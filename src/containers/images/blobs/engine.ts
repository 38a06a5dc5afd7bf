import type {
  ContentService,
  DiffService,
  ImagesService,
  LeasesService,
  SnapshotsService,
} from '../../containerd/index.ts';

/** What images need of containerd. A `Containerd` is one; tests bring their own. */
export interface ImageEngine {
  readonly content: Pick<
    ContentService,
    'find' | 'read' | 'readAll' | 'write' | 'openWriter' | 'status' | 'setLabels' | 'delete'
  >;
  readonly images: Pick<ImagesService, 'list' | 'create' | 'update' | 'delete'>;
  readonly leases: Pick<LeasesService, 'create' | 'delete' | 'addResource'>;
  readonly snapshots: Pick<
    SnapshotsService,
    'snapshotter' | 'prepare' | 'view' | 'mounts' | 'commit' | 'remove' | 'stat' | 'usage'
  >;
  readonly diff: Pick<DiffService, 'apply' | 'diff'>;
}
