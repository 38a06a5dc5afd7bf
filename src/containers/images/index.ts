// Images, over containerd: names and ids as Docker has them, archives in and out, unpacked file trees for containers.
// containerd keeps everything; nothing here is stored elsewhere. Must not know containers: who uses an image is asked
// through a function.
export {
  humanSize,
  type ImportedTree,
  type Progress,
  type ProgressMessage,
  progressBar,
} from './archive/index.ts';
export { type ImageEngine, LeasedBlobs, type UploadWriter } from './blobs/index.ts';
export { assertPlatform, type Image } from './catalog.ts';
export type { CommitOptions } from './committer.ts';
export * from './format/index.ts';
export { createdAt, type HistoryItem, type ImageFilters, isDangling } from './lister.ts';
export type { ImageAction, ImageEvent } from './namer.ts';
export type { ImageUser, RemovedItem, RemoveOptions } from './remover.ts';
export { ImageStore, type ImageStoreDeps, type ImageSummary, type ImportOptions } from './store.ts';
