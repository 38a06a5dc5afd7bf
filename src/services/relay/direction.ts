import { endStream, type OwnedFd, splice } from '../../kernel/streams/index.ts';
import type { Pipe, Pipes } from './pipes.ts';

/** At most so much at once; what there is is mostly less. */
const PIECE_BYTES = 1024 * 1024;
/** Pieces before others have their turn. */
const TURN = 16;

/**
 * One way of a connection. Nothing is copied: bytes go from socket to pipe to socket inside the kernel. What the receiver
 * does not take yet stays in the pipe and nothing more is read, so that the sender is held up.
 */
export class Direction {
  readonly #from: OwnedFd;
  readonly #to: OwnedFd;
  readonly #pipes: Pipes;
  #pipe: Pipe | undefined;
  #waiting = 0;
  #ended = false;

  constructor(from: OwnedFd, to: OwnedFd, pipes: Pipes) {
    this.#from = from;
    this.#to = to;
    this.#pipes = pipes;
  }

  /** The sender has ended, the receiver has had everything and knows. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Something waits for the receiver to take it. */
  get blocked(): boolean {
    return this.#waiting > 0;
  }

  /** Moves what can be moved now. True: there may be more, it only was somebody else's turn. Throws what a socket answers. */
  move(): boolean {
    for (let piece = 0; piece < TURN && !this.#ended; piece += 1) {
      if (!(this.#waiting > 0 ? this.#empty() : this.#fill())) return false;
    }
    return !this.#ended;
  }

  drop(): void {
    if (this.#pipe !== undefined) this.#pipes.putBack(this.#pipe, this.#waiting === 0);
    this.#pipe = undefined;
  }

  /** False: there is nothing to read now. */
  #fill(): boolean {
    this.#pipe ??= this.#pipes.take();
    const read = splice(this.#from.fd, this.#pipe.write.fd, PIECE_BYTES);
    if (read !== undefined && read > 0) {
      this.#waiting = read;
      return this.#empty();
    }
    this.drop();
    if (read === undefined) return false;
    endStream(this.#to.fd);
    this.#ended = true;
    return true;
  }

  /** False: the receiver takes no more now. */
  #empty(): boolean {
    if (this.#pipe === undefined) return true;
    const written = splice(this.#pipe.read.fd, this.#to.fd, this.#waiting);
    this.#waiting -= written ?? 0;
    return written !== undefined;
  }
}
