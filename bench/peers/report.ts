import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { median, quantile } from '../stats.ts';

const RESULTS = fileURLToPath(new URL('../results/', import.meta.url));
const COLOURS = ['#0b7285', '#e8590c', '#7048e8', '#868e96'];
const FAIRWAY = 'fairway';

/** What one row measures; `lower` says that less is better. */
export interface Measure {
  readonly what: string;
  readonly unit: string;
  readonly lower: boolean;
  readonly target?: string;
}

/** Samples by measure and by who made them. */
export class Report {
  readonly #rows = new Map<string, { measure: Measure; samples: Map<string, number[]>; notes: string[] }>();

  add(measure: Measure, who: string, ...values: readonly number[]): void {
    const samples = this.#row(measure).samples;
    samples.set(who, [...(samples.get(who) ?? []), ...values]);
  }

  /** Why somebody has no samples. */
  note(measure: Measure, text: string): void {
    this.#row(measure).notes.push(text);
  }

  table(): string {
    const lines = [...this.#rows.values()].map(({ measure, samples, notes }) => {
      const ours = median(samples.get(FAIRWAY) ?? []);
      const cell = (who: string): string => show(samples.get(who) ?? [], measure.unit);
      const others = [...samples].filter(([who]) => !['fairway', 'dockerd', 'podman'].includes(who));
      const times = (who: string): string => {
        const theirs = median(samples.get(who) ?? []);
        const ratio = measure.lower ? theirs / ours : ours / theirs;
        return Number.isFinite(ratio) ? `${ratio.toPrecision(3)} ×` : '';
      };
      const limit = [
        ...others.map(([who, values]) => `${who}: ${show(values, measure.unit)}, ${times(who)}`),
        ...notes,
      ];
      const cells = [
        cell(FAIRWAY),
        cell('dockerd'),
        times('dockerd'),
        cell('podman'),
        times('podman'),
        limit.join('; '),
      ];
      return `| ${[measure.what, ...cells, measure.target ?? ''].join(' | ')} |`;
    });
    const head = '| What | Fairway | dockerd | better than it | podman | better than it | Limit and notes | Target |';
    return [head, '|---|---|---|---|---|---|---|---|', ...lines].join('\n');
  }

  /** `peers.md`, and a plot of the medians for each group: what comes before the first comma or colon. */
  write(): void {
    mkdirSync(RESULTS, { recursive: true });
    const groups = Map.groupBy(
      this.#rows.values(),
      ({ measure }) => `${measure.what.split(/[,:]/)[0]} (${measure.unit})`,
    );
    const plots = [...groups].map(([title, rows]) => {
      const name = `peers-${title
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, '-')
        .replace(/-$/, '')}.svg`;
      const bars = rows.flatMap(({ measure, samples }) =>
        [...samples].map(([who, values]) => ({ row: measure.what, who, value: median(values) })),
      );
      writeFileSync(`${RESULTS}${name}`, plot(title, bars));
      return `![${title}](${name})`;
    });
    const where = `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, Linux ${release()}, Node ${process.version}`;
    const intro = `\`npm run bench -- peers\`, ${where}. Medians, 99th percentile in brackets, number of samples after the ×. “Better than it” above 1 is in favour of Fairway; how each is driven stands in ../README.md.`;
    writeFileSync(
      `${RESULTS}peers.md`,
      `# Beside dockerd and podman\n\n${intro}\n\n${this.table()}\n\n${plots.join('\n\n')}\n`,
    );
  }

  #row(measure: Measure) {
    const row = this.#rows.get(measure.what) ?? { measure, samples: new Map<string, number[]>(), notes: [] };
    this.#rows.set(measure.what, row);
    return row;
  }
}

function show(values: readonly number[], unit: string): string {
  if (values.length === 0) return '';
  if (values.length === 1) return `${short(median(values))} ${unit}`;
  return `${short(median(values))} ${unit} (${short(quantile(values, 0.99))}; × ${values.length})`;
}

function short(value: number): string {
  if (Math.abs(value) >= 1000) return String(Math.round(value));
  return value.toPrecision(3);
}

interface Bar {
  readonly row: string;
  readonly who: string;
  readonly value: number;
}

/** Horizontal bars on a scale by powers of ten, for the peers are often that far apart. */
function plot(title: string, bars: readonly Bar[]): string {
  const shown = bars.filter(({ value }) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...shown.map(({ value }) => value))));
  const high = Math.log10(Math.max(...shown.map(({ value }) => value)));
  const width = (value: number): number => 10 + (390 * (Math.log10(value) - low)) / Math.max(high - low, 0.1);
  const names = [...new Set(shown.map(({ who }) => who))];
  let y = 34;
  const lines: string[] = [];
  for (const [row, group] of Map.groupBy(shown, ({ row }) => row)) {
    lines.push(`<text x="10" y="${y}" font-weight="bold">${escaped(row)}</text>`);
    y += 6;
    for (const { who, value } of group) {
      const colour = COLOURS[Math.min(names.indexOf(who), COLOURS.length - 1)];
      lines.push(`<text x="10" y="${y + 11}">${escaped(who)}</text>`);
      lines.push(`<rect x="190" y="${y}" width="${width(value).toFixed(1)}" height="14" fill="${colour}"/>`);
      lines.push(`<text x="${(196 + width(value)).toFixed(1)}" y="${y + 11}">${short(value)}</text>`);
      y += 17;
    }
    y += 18;
  }
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="680" height="${y}" font-family="sans-serif" font-size="11">`;
  const ground = `<rect width="100%" height="100%" fill="white"/><text x="10" y="16" font-size="13">${escaped(title)}, logarithmic</text>`;
  return `${head}\n${ground}\n${lines.join('\n')}\n</svg>\n`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
