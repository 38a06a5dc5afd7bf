// Commands about images: one file each, loaded when used. They carry archives and progress between the daemon and
// the user; they know nothing of layers.
import type { Leaf } from '../../grammar/index.ts';

export const image = {
  history: { short: 'Show the history of an image', load: async () => (await import('./history.ts')).history },
  import: {
    short: 'Import the contents from a tarball to create a filesystem image',
    load: async () => (await import('./import.ts')).importImage,
  },
  inspect: {
    short: 'Display detailed information on one or more images',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  load: { short: 'Load an image from a tar archive or STDIN', load: async () => (await import('./load.ts')).load },
  ls: { short: 'List images', aliases: ['list'], load: async () => (await import('./ls.ts')).ls },
  prune: { short: 'Remove unused images', load: async () => (await import('./prune.ts')).prune },
  pull: { short: 'Download an image from a registry', load: async () => (await import('./pull.ts')).pull },
  push: { short: 'Upload an image to a registry', load: async () => (await import('./push.ts')).push },
  rm: { short: 'Remove one or more images', aliases: ['remove'], load: async () => (await import('./rm.ts')).rm },
  save: {
    short: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
    load: async () => (await import('./save.ts')).save,
  },
  tag: {
    short: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    load: async () => (await import('./tag.ts')).tag,
  },
} satisfies Record<string, Leaf>;
