// Health checks: when to ask, what an answer means. How a command is run in a container is given to it.
export * from './monitor.ts';
