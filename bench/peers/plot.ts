const COLOURS = ['#0b7285', '#e8590c', '#7048e8', '#868e96'];
const ORDER = ['fairway', 'dockerd', 'podman'];
const LEFT = 190;
const WIDTH = 330;

export interface Bar {
  readonly row: string;
  readonly who: string;
  /** The median. */
  readonly value: number;
  readonly p99: number;
  /** How much better Fairway is. */
  readonly ratio?: number;
}

export interface Ratio {
  readonly row: string;
  readonly who: string;
  /** Above 1 in favour of Fairway. */
  readonly ratio: number;
}

export function short(value: number): string {
  if (Math.abs(value) >= 1000) return String(Math.round(value));
  return value.toPrecision(3);
}

/** Horizontal bars on a scale by powers of ten, for the peers are often that far apart; a thin line leads to the 99th percentile. */
export function bars(title: string, all: readonly Bar[]): string {
  const shown = all.filter(({ value }) => value > 0);
  const scale = logarithmic(shown.flatMap(({ value, p99 }) => [value, p99]));
  let y = 34;
  const lines: string[] = [];
  for (const [row, group] of Map.groupBy(shown, ({ row }) => row)) {
    lines.push(`<text x="10" y="${y}" font-weight="bold">${escaped(row)}</text>`);
    y += 6;
    for (const { who, value, p99, ratio } of group) {
      const [end, far] = [LEFT + scale(value), LEFT + scale(p99)];
      lines.push(`<text x="10" y="${y + 11}">${escaped(who)}</text>`);
      lines.push(rectangle({ x: LEFT, y, width: end - LEFT, colour: colourOf(who) }));
      if (far > end + 1) {
        lines.push(`<path d="M${end.toFixed(1)} ${y + 7}H${far.toFixed(1)}m0 -4v8" stroke="#495057"/>`);
      }
      const times = ratio === undefined ? '' : `, ${ratio.toPrecision(3)} ×`;
      lines.push(`<text x="${(Math.max(far, end) + 6).toFixed(1)}" y="${y + 11}">${short(value)}${times}</text>`);
      y += 17;
    }
    y += 18;
  }
  return picture(`${title}: medians, lines to the 99th percentile, × in favour of Fairway; logarithmic`, y, lines);
}

/** A dot for each ratio on one scale, with a line at 1. */
export function ratios(title: string, all: readonly Ratio[]): string {
  const scale = logarithmic([1, ...all.map(({ ratio }) => ratio)]);
  const at = (ratio: number): string => (LEFT + 130 + scale(ratio)).toFixed(1);
  let y = 40;
  const lines: string[] = [];
  for (const [row, group] of Map.groupBy(all, ({ row }) => row)) {
    lines.push(`<text x="10" y="${y + 4}">${escaped(row)}</text>`);
    for (const { who, ratio } of group) {
      const words = `<title>${escaped(`${row}, ${who}: ${short(ratio)} ×`)}</title>`;
      lines.push(`<circle cx="${at(ratio)}" cy="${y}" r="4" fill="${colourOf(who)}">${words}</circle>`);
    }
    y += 15;
  }
  const legend = ['dockerd', 'podman', 'by hand'].map(
    (who, index) => `<text x="${LEFT + 130 + index * 80}" y="30" fill="${colourOf(who)}">● ${who}</text>`,
  );
  const one = `<path d="M${at(1)} 34V${y - 8}" stroke="#adb5bd"/><text x="${at(1)}" y="${y + 6}" text-anchor="middle">1</text>`;
  return picture(`${title}: right of 1 is in favour of Fairway; logarithmic`, y + 14, [...legend, one, ...lines]);
}

function logarithmic(values: readonly number[]): (value: number) => number {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const low = Math.floor(Math.log10(Math.min(...positive)));
  const high = Math.log10(Math.max(...positive));
  return (value) => 10 + ((WIDTH - 10) * (Math.log10(value) - low)) / Math.max(high - low, 0.1);
}

function colourOf(who: string): string {
  const index = ORDER.indexOf(who);
  return COLOURS[index < 0 ? COLOURS.length - 1 : index] ?? '';
}

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly colour: string;
}

function rectangle({ x, y, width, colour }: Rectangle): string {
  return `<rect x="${x}" y="${y}" width="${width.toFixed(1)}" height="14" fill="${colour}"/>`;
}

function picture(title: string, height: number, lines: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="720" height="${height}" font-family="sans-serif" font-size="11">`;
  const ground = `<rect width="100%" height="100%" fill="white"/><text x="10" y="16" font-size="12">${escaped(title)}</text>`;
  return `${head}\n${ground}\n${lines.join('\n')}\n</svg>\n`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
