// Commands about volumes: one file each, loaded when used.
// They name volumes and show them; where a volume lies and what its driver does with it are the daemon's business,
// and nothing here touches the files in it.
import type { Leaf } from '../../grammar/index.ts';

export const volume = {
  create: { short: 'Create a volume', load: async () => (await import('./create.ts')).create },
  inspect: {
    short: 'Display detailed information on one or more volumes',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  ls: { short: 'List volumes', aliases: ['list'], load: async () => (await import('./ls.ts')).ls },
  prune: { short: 'Remove unused local volumes', load: async () => (await import('./prune.ts')).prune },
  rm: { short: 'Remove one or more volumes', aliases: ['remove'], load: async () => (await import('./rm.ts')).rm },
} satisfies Record<string, Leaf>;
