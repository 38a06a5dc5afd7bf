// Commands about volumes: one file each, loaded when used. A volume's driver and place are the daemon's business.
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
