// Images as files: Docker and OCI archives in (any compression we know) and out, plain file trees in, Dockerfile changes,
// and the progress lines that clients show. Writes blobs under a lease; gives no names.
export * from './changes.ts';
export { decompressed } from './decompress.ts';
export { type ImportedTree, importTree } from './import.ts';
export { type ArchivedImage, interpretArchive, writeManifest } from './interpret.ts';
export * from './progress.ts';
export { readArchive } from './read.ts';
export { type ImageToSave, saveArchive } from './save.ts';
