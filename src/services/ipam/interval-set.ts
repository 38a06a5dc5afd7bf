interface Run {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * A set of integers kept as sorted, maximal runs: what is dense costs nothing, and the lowest number that is missing is
 * found by one binary search, in an IPv6 subnet as well.
 */
export class IntervalSet {
  readonly #runs: Run[] = [];

  has(value: bigint): boolean {
    return this.#at(this.#indexOf(value), value) !== undefined;
  }

  /** False: it was there already. */
  add(value: bigint): boolean {
    const index = this.#indexOf(value);
    if (this.#at(index, value) !== undefined) return false;
    const before = this.#runs[index];
    const after = this.#runs[index + 1];
    const joinsBefore = before !== undefined && before.last + 1n === value;
    const joinsAfter = after !== undefined && value + 1n === after.first;
    const merged = { first: joinsBefore ? before.first : value, last: joinsAfter ? after.last : value };
    const start = joinsBefore ? index : index + 1;
    this.#runs.splice(start, Number(joinsBefore) + Number(joinsAfter), merged);
    return true;
  }

  /** False: it was not there. */
  delete(value: bigint): boolean {
    const index = this.#indexOf(value);
    const run = this.#at(index, value);
    if (run === undefined) return false;
    const rest: Run[] = [];
    if (run.first < value) rest.push({ first: run.first, last: value - 1n });
    if (value < run.last) rest.push({ first: value + 1n, last: run.last });
    this.#runs.splice(index, 1, ...rest);
    return true;
  }

  /** The lowest number from `from` on that is not in the set. */
  firstMissing(from: bigint): bigint {
    const run = this.#at(this.#indexOf(from), from);
    return run === undefined ? from : run.last + 1n;
  }

  /** Index of the last run that begins at or below the value; -1: none. */
  #indexOf(value: bigint): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const run = this.#runs[middle];
      if (run !== undefined && run.first <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #at(index: number, value: bigint): Run | undefined {
    const run = this.#runs[index];
    return run !== undefined && value <= run.last ? run : undefined;
  }
}
