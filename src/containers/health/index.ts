// Health checks of running containers: when to ask, how long to wait, what an answer means, in Docker's rules and
// defaults. Keeps the last results in memory only. How a command is run in a container is given to it; it must not know
// containerd.
export * from './monitor.ts';
