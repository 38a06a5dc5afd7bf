import type { Clock } from '../../base/index.ts';

export interface UpkeepDeps {
  readonly clock: Clock;
  readonly random: () => number;
  /** Repeatable; throws what is in its way. */
  readonly work: () => Promise<void>;
  readonly onEnd: (problem: unknown) => void;
}

const FIRST_MS = 100;
const LONGEST_MS = 5_000;

/** Does work whenever it is asked for, one at a time; where it fails, again and again, later each time. */
export class Upkeep {
  readonly #deps: UpkeepDeps;
  #running: Promise<void> | undefined;
  #again = false;
  #delay = FIRST_MS;
  #cancel = (): void => {};
  #closed = false;

  constructor(deps: UpkeepDeps) {
    this.#deps = deps;
  }

  /** Begins now, or as soon as what runs has ended. */
  ask(): void {
    this.#cancel();
    if (this.#closed) return;
    if (this.#running !== undefined) this.#again = true;
    else this.#running = this.#run();
  }

  /** Runs no more. Resolves when what runs has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    do {
      this.#again = false;
      await this.#once();
    } while (this.#again && !this.#closed);
    this.#running = undefined;
  }

  async #once(): Promise<void> {
    const { clock, random, work, onEnd } = this.#deps;
    try {
      await work();
      this.#delay = FIRST_MS;
      onEnd(undefined);
    } catch (error) {
      onEnd(error);
      if (this.#closed) return;
      // Not all nodes at once, after what was in the way of all of them.
      this.#cancel = clock.after(this.#delay * (0.5 + random() / 2), () => this.ask());
      this.#delay = Math.min(this.#delay * 2, LONGEST_MS);
    }
  }
}
