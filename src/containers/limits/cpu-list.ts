const HIGHEST = 8192;

/** The numbers in a list such as `0-3,7`. Throws a plain Error whose text says what does not fit. */
export function numbersIn(text: string): ReadonlySet<number> {
  const numbers = new Set<number>();
  if (text === '') return numbers;
  for (const part of text.split(',')) {
    const range = /^(\d+)(?:-(\d+))?$/.exec(part);
    const first = Number(range?.[1]);
    const last = Number(range?.[2] ?? range?.[1]);
    if (!range || last < first) throw new Error(`invalid format: ${text}`);
    if (last > HIGHEST) throw new Error(`value of out range, maximum is ${HIGHEST}`);
    for (let number = first; number <= last; number += 1) numbers.add(number);
  }
  return numbers;
}

/** Is every number of the list among those there are? */
export function listIsAvailable(wanted: string, available: string): boolean {
  return numbersIn(wanted).isSubsetOf(numbersIn(available));
}
