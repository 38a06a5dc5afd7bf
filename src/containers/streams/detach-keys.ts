import { invalid } from '../../base/index.ts';

export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** `ctrl-p,ctrl-q`, `a`, `ctrl-@` … to the bytes a terminal sends. Throws with Docker's text. */
export function parseDetachKeys(text: string): Buffer {
  const bytes = text.split(',').map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const control = /^ctrl-(.)$/.exec(key)?.[1];
    if (control !== undefined && /[a-z]/.test(control)) return control.charCodeAt(0) - 96;
    const special = control === undefined ? -1 : '@[\\]^_'.indexOf(control);
    if (special === 0) return 0;
    if (special > 0) return 26 + special;
    throw invalid('invalid_detach_keys', `Invalid detach keys (${text}) provided`);
  });
  return Buffer.from(bytes);
}

/** Finds the detach sequence in what a client types, over the borders of chunks. */
export class DetachFilter {
  readonly #keys: Buffer;
  #matched = 0;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  /** What goes on to the container, and whether the sequence is complete. A broken sequence is passed on late. */
  filter(chunk: Buffer): { readonly data: Buffer; readonly detached: boolean } {
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched += 1;
        if (this.#matched === this.#keys.length) return { data: Buffer.from(out), detached: true };
        continue;
      }
      out.push(...this.#keys.subarray(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) out.push(byte);
    }
    return { data: Buffer.from(out), detached: false };
  }
}
