// Files of containers in and out: copy, export, diff, commit. A container's tree is not trusted: nothing in it, a link or
// a name in an archive, leads out of it. Images themselves are made by the images folder.

export * from './commit.ts';
export * from './files.ts';
export { Tree } from './tree.ts';
