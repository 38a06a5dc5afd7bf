import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { conflict, internal, messageOf } from '../base/index.ts';

export interface PidfileOptions {
  readonly pid?: number;
  /** The command line of a process, absent when it is not there. */
  readonly commandOf?: (pid: number) => string | undefined;
}

/** Says which process is the daemon, and keeps a second one from starting. */
export class Pidfile implements Disposable {
  readonly #path: string;
  readonly #pid: number;

  private constructor(path: string, pid: number) {
    this.#path = path;
    this.#pid = pid;
  }

  /** Throws when a daemon that runs holds it; one that died, or whose number another program has now, does not count. */
  static take(path: string, options: PidfileOptions = {}): Pidfile {
    const { pid = process.pid, commandOf = commandLine } = options;
    mkdirSync(dirname(path), { recursive: true });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      try {
        writeFileSync(path, `${pid}\n`, { flag: 'wx', mode: 0o644 });
        return new Pidfile(path, pid);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
          throw internal('pidfile', `cannot write the pid file "${path}": ${messageOf(error)}`, error);
        }
      }
      const holder = readPid(path);
      if (holder !== undefined && holder !== pid && isDaemon(commandOf(holder))) {
        throw conflict(
          'already_running',
          `failed to start daemon, ensure fairwayd is not running or delete ${path}: process with PID ${holder} is still running`,
        );
      }
      rmSync(path, { force: true });
    }
    throw internal('pidfile', `cannot write the pid file "${path}": others write it all the time`);
  }

  /** Removes it, unless it is another's by now. */
  release(): void {
    if (readPid(this.#path) === this.#pid) rmSync(this.#path, { force: true });
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isDaemon(command: string | undefined): boolean {
  return command !== undefined && /fairwayd|src\/main\.ts|dist\/main\.js/.test(command);
}

function commandLine(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return undefined;
  }
}
