import { type Log, messageOf } from '../base/index.ts';

/**
 * Steps that take back what was done, last first, unless it is kept. A step that fails is logged and the others still run,
 * so that whoever asked hears why their request failed and not why its undoing did.
 */
export class Undo implements AsyncDisposable {
  readonly #log: Log;
  readonly #what: string;
  #steps: (() => unknown)[] = [];
  #failed = false;

  constructor(deps: { readonly log: Log }, what: string) {
    this.#log = deps.log;
    this.#what = what;
  }

  /** A step before this one in the undoing (behind it in the doing) failed: something is left. */
  get failed(): boolean {
    return this.#failed;
  }

  defer(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Nothing failed: what was done stays. */
  keep(): void {
    this.#steps = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        this.#failed = true;
        this.#log.error({ reason: messageOf(error) }, `cannot undo a step of: ${this.#what}`);
      }
    }
  }
}
