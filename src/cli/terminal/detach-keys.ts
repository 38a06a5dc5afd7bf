const DEFAULT_KEYS = 'ctrl-p,ctrl-q';

/** `ctrl-p,ctrl-q` as bytes. Throws for what no keyboard sends. */
export function parseDetachKeys(text: string): Buffer {
  return Buffer.from(
    (text === '' ? DEFAULT_KEYS : text).split(',').map((key) => {
      const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
      if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
      if ([...key].length !== 1) throw new Error(`invalid detach keys (${text}): Unknown character: '${key}'`);
      return key.charCodeAt(0);
    }),
  );
}

export interface Filtered {
  /** What goes on to the container. */
  readonly pass: Buffer;
  readonly detached: boolean;
}

/** Watches what is typed for the detach sequence; keys that only began it are handed on after all. */
export class DetachFilter {
  readonly #keys: Buffer;
  #matched = 0;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  push(typed: Buffer): Filtered {
    const pass: number[] = [];
    for (const byte of typed) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched += 1;
        if (this.#matched === this.#keys.length) return { pass: Buffer.from(pass), detached: true };
        continue;
      }
      pass.push(...this.#keys.subarray(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) pass.push(byte);
    }
    return { pass: Buffer.from(pass), detached: false };
  }
}
