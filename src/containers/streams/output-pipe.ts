import { closeSync, constants, openSync, readSync } from 'node:fs';
import { bytesInPipe, growPipe, makePipe, movePipe, type OwnedFd, showPipe } from '../../kernel/index.ts';
import { PIPE_BYTES } from './pipes.ts';

/** What a look at a pipe found: bytes, nothing for now, or that nobody can write any more. */
export type Taken = 'some' | 'nothing' | 'end';

/**
 * The reading end of a process's output, beside a second pipe that holds what is being worked on. Bytes move from one to
 * the other inside the kernel and are copied for us, so they are in one of the two until {@link release} says that they
 * are safe elsewhere: a reader that is killed meanwhile has lost nothing, as long as somebody has both pipes open.
 */
export class OutputPipe {
  readonly fd: number;
  readonly holdFd: number;

  /** Both are paths of named pipes that exist. */
  constructor(path: string, holdPath: string) {
    // Non-blocking, so that opening does not wait for a writer.
    this.fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      // Both ends of it are ours, so that it never ends.
      this.holdFd = openSync(holdPath, constants.O_RDWR | constants.O_NONBLOCK);
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
    for (const fd of [this.fd, this.holdFd]) growPipe(fd, PIPE_BYTES);
  }

  /** How many bytes wait to be released. */
  get held(): number {
    return bytesInPipe(this.holdFd);
  }

  /** Takes what there is into the holding pipe, which should be empty: see {@link held}. */
  take(): Taken {
    const moved = movePipe(this.fd, this.holdFd, PIPE_BYTES);
    if (moved === undefined) return 'nothing';
    return moved === 0 ? 'end' : 'some';
  }

  /** A copy of what is held, behind `head`. */
  look(head: Uint8Array): Buffer {
    const { read, write } = window();
    const shown = showPipe(this.holdFd, write.fd, PIPE_BYTES) ?? 0;
    const data = Buffer.allocUnsafe(head.length + shown);
    data.set(head);
    for (let at = head.length; at < data.length; ) at += readSync(read.fd, data, at, data.length - at, null);
    return data;
  }

  /** The first so many bytes are safe elsewhere. */
  release(bytes: number): void {
    for (let left = bytes; left > 0; ) left -= movePipe(this.holdFd, nowhere(), left) ?? left;
  }

  close(): void {
    closeSync(this.fd);
    closeSync(this.holdFd);
  }
}

let shared: { readonly read: OwnedFd; readonly write: OwnedFd } | undefined;
let sink: number | undefined;

/** One for the whole process: what is put in is read out before anybody else is asked. */
function window(): { readonly read: OwnedFd; readonly write: OwnedFd } {
  if (!shared) {
    shared = makePipe();
    growPipe(shared.write.fd, PIPE_BYTES);
  }
  return shared;
}

function nowhere(): number {
  sink ??= openSync('/dev/null', 'w');
  return sink;
}
