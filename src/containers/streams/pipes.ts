import { closeSync, constants, existsSync, mkdirSync, openSync, rmdirSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../base/index.ts';
import { growPipe, isErrno, makeFifo } from '../../kernel/index.ts';

/** Named pipes of one process. */
export interface PipePaths {
  readonly stdin?: string;
  readonly stdout?: string;
  readonly stderr?: string;
}

export type OutputName = 'stdout' | 'stderr';

/** Where the outputs of a run are on their way to its log. */
export interface OutputPaths {
  /** Each has a second pipe beside it, see {@link holdPath}. */
  readonly outputs: Readonly<Partial<Record<OutputName, string>>>;
  readonly journal: string;
}

export interface PipeRequest {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** What the kernel keeps for us while the daemon restarts; a container writes so much before it has to wait. */
export const PIPE_BYTES = 1 << 20;
const READER_POLL_MS = 2;

/** Makes fresh pipes `<folder>/<name>-stdout` and so on; what was there before goes. */
export function makePipes(folder: string, name: string, request: PipeRequest): PipePaths {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const make = (stream: string): string => {
    const path = join(folder, `${name}-${stream}`);
    rmSync(path, { force: true });
    makeFifo(path);
    return path;
  };
  return {
    ...(request.stdin && { stdin: make('stdin') }),
    ...(request.stdout && { stdout: make('stdout') }),
    ...(request.stderr && { stderr: make('stderr') }),
  };
}

/** The paths `makePipes` gave, for a process that an earlier daemon started. */
export function pipePaths(folder: string, name: string, request: PipeRequest): PipePaths {
  return {
    ...(request.stdin && { stdin: join(folder, `${name}-stdin`) }),
    ...(request.stdout && { stdout: join(folder, `${name}-stdout`) }),
    ...(request.stderr && { stderr: join(folder, `${name}-stderr`) }),
  };
}

export function removePipes(paths: PipePaths): void {
  for (const path of [paths.stdin, paths.stdout, paths.stderr]) if (path !== undefined) rmSync(path, { force: true });
}

/** When nothing else is in it: pipes of execs, mounts. */
export function removePipeFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EBUSY')) throw error;
  }
}

export function outputPaths({ stdout, stderr }: PipePaths, journal: string): OutputPaths {
  return { outputs: { ...(stdout !== undefined && { stdout }), ...(stderr !== undefined && { stderr }) }, journal };
}

/** The pipe that holds what is being read from this one. */
export function holdPath(path: string): string {
  return `${path}.held`;
}

/** Makes what a recorder needs beside the pipes, as far as it is not there. Undone by {@link removeHolds}. */
export function makeHolds({ outputs }: OutputPaths): void {
  for (const path of Object.values(outputs)) if (!existsSync(holdPath(path))) makeFifo(holdPath(path));
}

export function removeHolds({ outputs, journal }: OutputPaths): void {
  for (const path of [...Object.values(outputs).map(holdPath), journal]) rmSync(path, { force: true });
}

/** The reading end. It ends when the shim, which holds the writing end as long as the process lives, lets go. */
export function openReader(path: string): Socket {
  // Non-blocking, so that opening does not wait for a writer; before the first one came, a pipe does not end.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  growPipe(fd, PIPE_BYTES);
  return adopt(fd, { readable: true, writable: false });
}

/**
 * The writing end, once the process's shim reads: it opens its end in the background, and what is written and closed
 * before would vanish. Undefined when the pipe is gone first.
 */
export async function openWriter(path: string, clock: Clock): Promise<Socket | undefined> {
  for (;;) {
    try {
      const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      return adopt(fd, { readable: false, writable: true });
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      if (!isErrno(error, 'ENXIO')) throw error;
    }
    await new Promise<void>((resolve) => clock.after(READER_POLL_MS, resolve));
  }
}

function adopt(fd: number, ends: { readonly readable: boolean; readonly writable: boolean }): Socket {
  try {
    const socket = new Socket({ fd, ...ends, allowHalfOpen: true });
    socket.unref();
    return socket;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
