export interface ColumnOptions {
  /** The least width of a column, padding included. */
  readonly minimum?: number;
  readonly padding?: number;
}

/** Lines whose cells are separated by tabs, set in columns. The last cell of a line is never padded. */
export function alignColumns(lines: readonly string[], options: ColumnOptions = {}): string[] {
  const { minimum = 10, padding = 3 } = options;
  const rows = lines.map((line) => line.split('\t'));
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? minimum, letterCount(cell) + padding);
    });
  }
  return rows.map((row) =>
    row.map((cell, at) => (at === row.length - 1 ? cell : pad(cell, widths[at] ?? minimum))).join(''),
  );
}

function pad(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - letterCount(cell)));
}

function letterCount(text: string): number {
  return [...text].length;
}
