// Bytes between a container's process and whoever is attached: named pipes, fan-out that never makes the container
// wait for a slow client, stdin from several, detach keys. Knows neither containerd nor what a log looks like.
export * from './client-output.ts';
export * from './container-streams.ts';
export * from './detach-keys.ts';
export * from './output-pipe.ts';
export * from './pipes.ts';
export * from './stdin.ts';
