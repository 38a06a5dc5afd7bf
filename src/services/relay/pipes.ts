import { growPipe, makePipe, type OwnedFd } from '../../kernel/streams/index.ts';

/** As much as one way of a connection can have under way in here. */
const PIPE_BYTES = 1024 * 1024;
/** Kept for the next connection: a pipe takes longer to make than a small message to pass. */
const SPARE_PIPES = 64;

export interface Pipe {
  readonly read: OwnedFd;
  readonly write: OwnedFd;
}

/** Empty pipes, by which bytes go from one socket to another inside the kernel. */
export class Pipes implements Disposable {
  readonly #spare: Pipe[] = [];

  take(): Pipe {
    const spare = this.#spare.pop();
    if (spare !== undefined) return spare;
    const pipe = makePipe();
    growPipe(pipe.write.fd, PIPE_BYTES);
    return pipe;
  }

  /** `empty`: one with something in it is of no use to others. */
  putBack(pipe: Pipe, empty: boolean): void {
    if (empty && this.#spare.length < SPARE_PIPES) this.#spare.push(pipe);
    else close(pipe);
  }

  [Symbol.dispose](): void {
    for (const pipe of this.#spare.splice(0)) close(pipe);
  }
}

function close({ read, write }: Pipe): void {
  read.close();
  write.close();
}
