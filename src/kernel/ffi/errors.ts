import { constants } from 'node:os';
import { getSystemErrorMessage } from 'node:util';
import koffi from 'koffi';
import { FairwayError } from '../../base/index.ts';

export interface SystemErrorOptions {
  /** The system call or netlink message that failed. */
  readonly syscall: string;
  /** What was being done, to follow "cannot": `create bridge "br0"`. Defaults to the syscall. */
  readonly action?: string;
  /** What the kernel said beyond the number. */
  readonly detail?: string | undefined;
}

/** A system call said no. `errno` and `code` are the symbolic name, such as `EEXIST`. */
export class SystemError extends FairwayError {
  readonly errno: string;
  readonly syscall: string;

  constructor(errno: string, options: SystemErrorOptions) {
    const reason = options.detail === undefined ? '' : `: ${options.detail}`;
    super(`cannot ${options.action ?? options.syscall}: ${errnoText(errno)} (${errno})${reason}`, {
      code: errno,
      kind: 'internal',
    });
    this.name = 'SystemError';
    this.errno = errno;
    this.syscall = options.syscall;
  }
}

/** True for our own system errors and for those of Node's modules, when the errno is one of `names`. */
export function isErrno(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && names.includes(error.code);
}

/** Two names share a number here and there; the ones programs look for win. */
const PREFERRED = ['EAGAIN', 'EOPNOTSUPP', 'EDEADLK'] as const;

const nameByNumber = new Map<number, string>(Object.entries(constants.errno).map(([name, number]) => [number, name]));
for (const name of PREFERRED) nameByNumber.set(constants.errno[name], name);

/** Numbers that Node's table leaves out and netlink or mounts do answer with. */
const EXTRA: readonly (readonly [number, string])[] = [
  [15, 'ENOTBLK'],
  [49, 'EUNATCH'],
  [64, 'ENONET'],
  [76, 'ENOTUNIQ'],
  [117, 'EUCLEAN'],
  [524, 'ENOTSUPP'],
];
for (const [number, name] of EXTRA) nameByNumber.set(number, name);

export function errnoName(number: number): string {
  return nameByNumber.get(number) ?? `E${number}`;
}

function errnoText(name: string): string {
  for (const [number, known] of nameByNumber) {
    if (known === name) return getSystemErrorMessage(-number) ?? 'unknown error';
  }
  return 'unknown error';
}

/** The name of the error the last system call of this thread left. To be read before anything else is called. */
export function lastErrno(): string {
  return errnoName(koffi.errno());
}

/** Passes a result through, or throws when it is negative. */
export function check(result: number, syscall: string, action?: string): number {
  if (result >= 0) return result;
  throw new SystemError(lastErrno(), action === undefined ? { syscall } : { syscall, action });
}

/** For calls that a signal ends early although handlers are to restart them: waits with a time limit (signal(7)). */
export function uninterrupted<T>(call: () => T): T {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (!isErrno(error, 'EINTR')) throw error;
    }
  }
}
