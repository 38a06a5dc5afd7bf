// Commands about networks: one file each, loaded when used. They translate words into one call each; what makes a
// network valid is the daemon's to say.
import type { Leaf } from '../../grammar/index.ts';

export const network = {
  connect: { short: 'Connect a container to a network', load: async () => (await import('./connect.ts')).connect },
  create: { short: 'Create a network', load: async () => (await import('./create.ts')).create },
  disconnect: {
    short: 'Disconnect a container from a network',
    load: async () => (await import('./disconnect.ts')).disconnect,
  },
  inspect: {
    short: 'Display detailed information on one or more networks',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  ls: { short: 'List networks', aliases: ['list'], load: async () => (await import('./ls.ts')).ls },
  prune: { short: 'Remove all unused networks', load: async () => (await import('./prune.ts')).prune },
  rm: { short: 'Remove one or more networks', aliases: ['remove'], load: async () => (await import('./rm.ts')).rm },
} satisfies Record<string, Leaf>;
