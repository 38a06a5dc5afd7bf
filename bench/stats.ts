export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** One line of the table. */
export interface Row {
  readonly what: string;
  readonly value: string;
  readonly baseline?: string;
  readonly target?: string;
}

export function tableOf(rows: readonly Row[]): string {
  return [
    '| What | Measured | Beside it | Target |',
    '|---|---|---|---|',
    ...rows.map((row) => `| ${row.what} | ${row.value} | ${row.baseline ?? ''} | ${row.target ?? ''} |`),
  ].join('\n');
}

export function ms(values: readonly number[]): string {
  return `${median(values).toFixed(1)} ms (p99 ${quantile(values, 0.99).toFixed(1)})`;
}

/** Times `work` that many times, one after the other; milliseconds. */
export async function time(count: number, work: (index: number) => Promise<void>): Promise<number[]> {
  const taken: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = performance.now();
    await work(index);
    taken.push(performance.now() - start);
  }
  return taken;
}
