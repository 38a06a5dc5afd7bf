// Commands about the daemon as a whole, about objects of any kind, and about this program itself. One file each,
// loaded when used.
import type { Leaf } from '../../grammar/index.ts';

export const system = {
  df: { short: 'Show disk usage', load: async () => (await import('./df.ts')).df },
  events: { short: 'Get real time events from the server', load: async () => (await import('./events.ts')).events },
  info: { short: 'Display system-wide information', load: async () => (await import('./info.ts')).info },
  prune: { short: 'Remove unused data', load: async () => (await import('./prune.ts')).prune },
} satisfies Record<string, Leaf>;

/** What Docker has not. */
export const reconciling = {
  verify: {
    short: 'Compare what is remembered with what the machine has',
    load: async () => (await import('./verify.ts')).verify,
  },
  repair: {
    short: 'Make good what others changed, without touching what works',
    load: async () => (await import('./verify.ts')).repair,
  },
  gc: { short: 'Remove what is ours and belongs to nothing', load: async () => (await import('./verify.ts')).gc },
} satisfies Record<string, Leaf>;

export const program = {
  inspect: {
    short: 'Return low-level information on objects of any kind',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  version: { short: 'Show the version information', load: async () => (await import('./version.ts')).version },
  login: { short: 'Authenticate to a registry', load: async () => (await import('./login.ts')).login },
  logout: { short: 'Log out from a registry', load: async () => (await import('./logout.ts')).logout },
  completion: {
    short: 'Print the completion script of a shell',
    load: async () => (await import('./completion.ts')).completion,
  },
  __complete: {
    short: 'Offer words for a command line',
    hidden: true,
    load: async () => (await import('./complete.ts')).complete,
  },
} satisfies Record<string, Leaf>;
