// Commands about the hosts that share networks: one file each, loaded when used. Who is in the cluster is the daemon's to
// know; nothing here speaks to the store.
import type { Leaf } from '../../grammar/index.ts';

export const cluster = {
  init: { short: 'Begin a cluster that keeps its own store', load: async () => (await import('./init.ts')).init },
  join: { short: 'Join a cluster', load: async () => (await import('./join.ts')).join },
  leave: { short: 'Leave the cluster', load: async () => (await import('./leave.ts')).leave },
  ls: { short: 'List the hosts of the cluster', aliases: ['list'], load: async () => (await import('./ls.ts')).ls },
  status: {
    short: 'Show the state of the cluster and its store',
    load: async () => (await import('./status.ts')).status,
  },
  token: { short: 'Print the token by which others join', load: async () => (await import('./token.ts')).token },
} satisfies Record<string, Leaf>;
