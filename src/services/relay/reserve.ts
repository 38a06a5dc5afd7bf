import { makePipe } from '../../kernel/streams/index.ts';
import type { Pipe } from './pipes.ts';

/** Two descriptors that are given up when there are no others, so that something can still be done. */
export class Reserve {
  #held: Pipe | undefined;

  constructor() {
    this.open();
  }

  /** Nothing when there are none to be had now. */
  open(): void {
    try {
      this.#held ??= makePipe();
    } catch {
      this.#held = undefined;
    }
  }

  close(): void {
    this.#held?.read.close();
    this.#held?.write.close();
    this.#held = undefined;
  }
}
