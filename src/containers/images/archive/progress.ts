/** One line of the JSON streams that Docker's clients read while an image moves. */
export interface ProgressMessage {
  readonly stream?: string;
  readonly status?: string;
  /** Which of several things at once: a short layer id, or the tag. */
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  /** The same drawn, for clients that draw nothing themselves. */
  readonly progress?: string;
  readonly aux?: Readonly<Record<string, unknown>>;
}

export type Progress = (message: ProgressMessage) => void;

const BAR_WIDTH = 50;

/** `[=====>    ]  1.2MB/4.5MB`, as Docker draws it. */
export function progressBar(current: number, total: number): string {
  if (total <= 0 || current > total) return humanSize(current);
  const filled = Math.floor((current / total) * BAR_WIDTH);
  const bar = filled === BAR_WIDTH ? '='.repeat(BAR_WIDTH) : `${'='.repeat(filled)}>`;
  return `[${bar.padEnd(BAR_WIDTH)}]  ${humanSize(current)}/${humanSize(total)}`;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Decimal units and four significant digits: `1.234MB`. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${Number(value.toPrecision(4))}${UNITS[unit]}`;
}
