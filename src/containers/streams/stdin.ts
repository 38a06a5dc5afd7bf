import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { DetachFilter } from './detach-keys.ts';

/** A process's stdin, shared by everybody who is attached. Writers wait until the process is there. */
export class SharedStdin {
  #target: Socket | undefined;
  #closed = false;
  #close: (() => void) | undefined;
  readonly #waiting: (() => void)[] = [];

  /** `close` tells the process that nothing more comes. */
  connect(target: Socket, close: () => void): void {
    this.#target = target;
    this.#close = close;
    this.#closed = false;
    target.on('error', () => {});
    for (const go of this.#waiting.splice(0)) go();
  }

  /** The process is gone: what is still written vanishes. */
  disconnect(): void {
    this.#target?.destroy();
    this.#target = undefined;
    this.#closed = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Makes writers wait again, for a start to come. */
  reset(): void {
    this.#closed = false;
  }

  /** Ends the process's stdin after what is written so far. */
  end(): void {
    const target = this.#target;
    if (!target) {
      if (!this.#closed) this.#waiting.push(() => this.end());
      return;
    }
    this.#target = undefined;
    this.#closed = true;
    const close = this.#close;
    // What is in the pipe stays there for the process, so closing may follow the last write at once.
    target.write(Buffer.alloc(0), () => {
      target.destroy();
      close?.();
    });
  }

  /** One client's way in. `once`: its end is the process's end of input. */
  writer(options: { readonly once: boolean; readonly detachKeys?: Buffer; readonly onDetach?: () => void }): Writable {
    const filter = options.detachKeys ? new DetachFilter(options.detachKeys) : undefined;
    let left = false;
    const leave = (): void => {
      if (!left && options.once) this.end();
      left = true;
    };
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (left) {
          done();
          return;
        }
        const { data, detached } = filter ? filter.filter(chunk) : { data: chunk, detached: false };
        if (detached) {
          left = true;
          options.onDetach?.();
        }
        if (data.length === 0) done();
        else this.#write(data, done);
      },
      final: (done) => {
        leave();
        done();
      },
      destroy: (_error, done) => {
        leave();
        done(null);
      },
    });
  }

  #write(data: Buffer, done: () => void): void {
    if (this.#target) this.#target.write(data, () => done());
    else if (this.#closed) done();
    else this.#waiting.push(() => this.#write(data, done));
  }
}
