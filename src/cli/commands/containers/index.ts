// Commands that look into containers and reach them: lists, logs, exec, files. One file each, loaded when used.
// They hold no state and decide nothing about a container's life.
import type { Leaf } from '../../grammar/index.ts';

export const containers = {
  attach: {
    short: 'Attach local standard input, output, and error streams to a running container',
    load: async () => (await import('./attach.ts')).attach,
  },
  commit: {
    short: "Create a new image from a container's changes",
    load: async () => (await import('./commit.ts')).commit,
  },
  cp: {
    short: 'Copy files/folders between a container and the local filesystem',
    load: async () => (await import('./cp.ts')).cp,
  },
  diff: {
    short: "Inspect changes to files or directories on a container's filesystem",
    load: async () => (await import('./diff.ts')).diff,
  },
  exec: { short: 'Execute a command in a running container', load: async () => (await import('./exec.ts')).exec },
  export: {
    short: "Export a container's filesystem as a tar archive",
    load: async () => (await import('./export.ts')).exportContainer,
  },
  inspect: {
    short: 'Display detailed information on one or more containers',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  logs: { short: 'Fetch the logs of a container', load: async () => (await import('./logs.ts')).logs },
  ls: { short: 'List containers', aliases: ['list', 'ps'], load: async () => (await import('./ls.ts')).ls },
  port: {
    short: 'List port mappings or a specific mapping for the container',
    load: async () => (await import('./port.ts')).port,
  },
  stats: {
    short: 'Display a live stream of container(s) resource usage statistics',
    load: async () => (await import('./stats.ts')).stats,
  },
  top: { short: 'Display the running processes of a container', load: async () => (await import('./top.ts')).top },
} satisfies Record<string, Leaf>;
