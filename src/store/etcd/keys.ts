/** From `key` on, as far as before `end`. */
export interface KeyRange {
  readonly key: Buffer;
  readonly end: Buffer;
}

/** Keys of the store as etcd has them: below a prefix, which may be shared with others. */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
  }

  wire(key: string): Buffer {
    return Buffer.from(`${this.#prefix}${key}`, 'latin1');
  }

  own(wire: Buffer): string {
    return wire.toString('latin1').slice(this.#prefix.length);
  }

  range(prefix: string): KeyRange {
    const key = this.wire(prefix);
    return key.length === 0 ? EVERYTHING : { key, end: after(key) };
  }
}

/** As etcd spells it. */
const EVERYTHING: KeyRange = { key: Buffer.from([0]), end: Buffer.from([0]) };

/** The first key that does not begin with this one; keys are ASCII, so the last byte can grow. */
function after(key: Buffer): Buffer {
  const end = Buffer.from(key);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
