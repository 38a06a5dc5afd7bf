import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Where servers are measured, and whatever answers them; on a machine with one core all are there. */
export const SERVER_CORE = Math.min(1, availableParallelism() - 1);
export const CLIENT_CORE = 0;

/**
 * A command line that runs what follows it on one core. Two ends that wander find themselves on one core now and on two then, which
 * differ by a factor of three in the time of an answer and say nothing about what lies between them.
 */
export function onCore(core: number): string[] {
  return ['taskset', '-c', String(core)];
}

/** This thread, from now on. */
export function moveTo(core: number): void {
  execFileSync('taskset', ['-pc', String(core), String(process.pid)], { stdio: 'ignore' });
}
