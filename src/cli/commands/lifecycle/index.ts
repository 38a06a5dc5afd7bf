// Commands that make containers and move them through their life: one file each, loaded when used.
// They ask the daemon and report; no rule of a container's life is decided here.
import type { Leaf } from '../../grammar/index.ts';

export const lifecycle = {
  create: { short: 'Create a new container', load: async () => (await import('./create.ts')).create },
  run: { short: 'Create and run a new container from an image', load: async () => (await import('./run.ts')).run },
  start: { short: 'Start one or more stopped containers', load: async () => (await import('./start.ts')).start },
  stop: { short: 'Stop one or more running containers', load: async () => (await import('./stop.ts')).stop },
  restart: { short: 'Restart one or more containers', load: async () => (await import('./restart.ts')).restart },
  kill: { short: 'Kill one or more running containers', load: async () => (await import('./kill.ts')).kill },
  pause: {
    short: 'Pause all processes within one or more containers',
    load: async () => (await import('./pause.ts')).pause,
  },
  unpause: {
    short: 'Unpause all processes within one or more containers',
    load: async () => (await import('./unpause.ts')).unpause,
  },
  rm: {
    short: 'Remove one or more containers',
    aliases: ['remove'],
    load: async () => (await import('./rm.ts')).rm,
  },
  rename: { short: 'Rename a container', load: async () => (await import('./rename.ts')).rename },
  update: {
    short: 'Update configuration of one or more containers',
    load: async () => (await import('./update.ts')).update,
  },
  wait: {
    short: 'Block until one or more containers stop, then print their exit codes',
    load: async () => (await import('./wait.ts')).wait,
  },
  prune: { short: 'Remove all stopped containers', load: async () => (await import('./prune.ts')).prune },
} satisfies Record<string, Leaf>;
