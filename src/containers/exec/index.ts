// Further processes in running containers: `docker exec` and the commands of health checks. The container's own process
// is lifecycle's.
export * from './execs.ts';
