import { shortDigest } from '../format/index.ts';

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

/** Tells of layers that are unpacked while an archive is loaded. */
export function loadingLayers(progress: Progress): {
  onStart: (layer: { readonly size: number }, diffId: string) => void;
  onDone: (layer: { readonly size: number }, diffId: string) => void;
} {
  const begun = new Set<string>();
  const say = (current: number, total: number, diffId: string): void =>
    progress({
      status: 'Loading layer',
      progressDetail: { current, total },
      progress: progressBar(current, total),
      id: shortDigest(diffId),
    });
  return {
    onStart: ({ size }, diffId) => {
      begun.add(diffId);
      say(0, size, diffId);
    },
    onDone: ({ size }, diffId) => {
      if (begun.has(diffId)) say(size, size, diffId);
    },
  };
}

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
