/** The names nearest to what was typed, nearest first: at most two slips away, or begun the same way. */
export function suggestions(typed: string, names: readonly string[]): string[] {
  return names
    .map((name) => ({ name, slips: name.startsWith(typed) ? 0 : distance(typed, name) }))
    .filter(({ name, slips }) => slips <= 2 && slips < name.length)
    .sort((a, b) => a.slips - b.slips)
    .map(({ name }) => name);
}

/** Letters put in, left out, changed, or swapped with their neighbour. */
export function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, at(beforeLast, j - 2) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? 0;
}
