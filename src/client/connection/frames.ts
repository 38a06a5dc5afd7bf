const HEADER = 8;

export type StreamName = 'stdout' | 'stderr';

/**
 * Splits a multiplexed stream into its two halves. A frame is `[stream, 0, 0, 0, length BE32]` and then the bytes;
 * pieces are handed on as they come, never gathered. The daemon's own errors travel as stream 3.
 */
export class FrameSplitter {
  readonly #deliver: (stream: StreamName, bytes: Uint8Array) => void;
  #header = Buffer.alloc(0);
  #left = 0;
  #stream = 1;
  #failure = '';

  constructor(deliver: (stream: StreamName, bytes: Uint8Array) => void) {
    this.#deliver = deliver;
  }

  /** The text of a frame on the error stream, if one came. */
  get failure(): string | undefined {
    return this.#failure === '' ? undefined : this.#failure;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) rest = this.#takeHeader(rest);
      if (this.#left === 0) continue;
      const body = rest.subarray(0, this.#left);
      rest = rest.subarray(body.length);
      this.#left -= body.length;
      if (body.length > 0) this.#give(body);
    }
  }

  #takeHeader(chunk: Buffer): Buffer {
    const wanted = HEADER - this.#header.length;
    this.#header = Buffer.concat([this.#header, chunk.subarray(0, wanted)]);
    if (this.#header.length === HEADER) {
      this.#stream = this.#header.readUInt8(0);
      this.#left = this.#header.readUInt32BE(4);
      this.#header = Buffer.alloc(0);
    }
    return chunk.subarray(wanted);
  }

  #give(body: Buffer): void {
    if (this.#stream === 3) this.#failure += body.toString();
    else this.#deliver(this.#stream === 2 ? 'stderr' : 'stdout', body);
  }
}
