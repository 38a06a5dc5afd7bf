/** Lets the n-th call of anything it wraps fail, before it does anything. */
export class Faults {
  #left = Number.POSITIVE_INFINITY;
  #struck: string | undefined;
  #refusing: string | undefined;

  /** The call that failed, by name. */
  get struck(): string | undefined {
    return this.#struck;
  }

  /** 0: the next call fails. */
  arm(calls: number): void {
    this.#left = calls;
    this.#struck = undefined;
  }

  /** Every call of what was wrapped by that name fails. */
  refuse(name: string): void {
    this.#refusing = name;
    this.#struck = undefined;
  }

  disarm(): void {
    this.#left = Number.POSITIVE_INFINITY;
    this.#refusing = undefined;
  }

  wrap<T extends object>(target: T, name: string): T {
    return new Proxy(target, {
      get: (object, key) => {
        const value: unknown = Reflect.get(object, key, object);
        if (typeof value !== 'function') return value;
        return (...args: readonly unknown[]): unknown => {
          this.#count(`${name}.${String(key)}`, name === this.#refusing);
          return Reflect.apply(value, object, args);
        };
      },
    });
  }

  #count(call: string, refused: boolean): void {
    if (this.#left === 0 || refused) {
      this.#left = Number.POSITIVE_INFINITY;
      this.#struck = call;
      throw new Error(`fault in ${call}`);
    }
    this.#left -= 1;
  }
}
