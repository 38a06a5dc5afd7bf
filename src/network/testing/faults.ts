/** Lets the n-th call of anything it wraps fail, before it does anything. */
export class Faults {
  #left = Number.POSITIVE_INFINITY;
  #struck: string | undefined;

  /** The call that failed, by name. */
  get struck(): string | undefined {
    return this.#struck;
  }

  /** 0: the next call fails. */
  arm(calls: number): void {
    this.#left = calls;
    this.#struck = undefined;
  }

  disarm(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  wrap<T extends object>(target: T, name: string): T {
    return new Proxy(target, {
      get: (object, key) => {
        const value: unknown = Reflect.get(object, key, object);
        if (typeof value !== 'function') return value;
        return (...args: readonly unknown[]): unknown => {
          this.#count(`${name}.${String(key)}`);
          return Reflect.apply(value, object, args);
        };
      },
    });
  }

  #count(call: string): void {
    if (this.#left === 0) {
      this.#left = Number.POSITIVE_INFINITY;
      this.#struck = call;
      throw new Error(`fault in ${call}`);
    }
    this.#left -= 1;
  }
}
