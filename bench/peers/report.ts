import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, quantile } from '../stats.ts';
import { type Bar, bars, type Ratio, ratios, short } from './plot.ts';

const RESULTS = fileURLToPath(new URL('../results/', import.meta.url));
const FAIRWAY = 'fairway';
const PEERS = ['dockerd', 'podman'];

/** What one row measures; `lower` says that less is better. */
export interface Measure {
  /** What stands before the first comma or colon is the group whose rows share a plot. */
  readonly what: string;
  readonly unit: string;
  readonly lower: boolean;
  readonly target?: string;
}

export function less(what: string, unit: string, target?: string): Measure {
  return target === undefined ? { what, unit, lower: true } : { what, unit, lower: true, target };
}

export function more(what: string, unit: string, target?: string): Measure {
  return { ...less(what, unit, target), lower: false };
}

interface Row {
  readonly measure: Measure;
  readonly samples: Map<string, number[]>;
  readonly notes: Set<string>;
}

/** Samples by measure and by who made them. */
export class Report {
  readonly #rows = new Map<string, Row>();
  readonly #leftOut: string[] = [];
  readonly #loadBefore = loadavg()[0] ?? 0;

  add(measure: Measure, who: string, ...values: readonly number[]): void {
    const samples = this.#row(measure).samples;
    samples.set(who, [...(samples.get(who) ?? []), ...values]);
  }

  /** Why somebody has no samples. */
  note(measure: Measure, text: string): void {
    this.#row(measure).notes.add(text);
  }

  /** Somebody who failed, or what was not reached. */
  leftOut(part: string, who: string, reason: string): void {
    this.#leftOut.push(`\`${part}\`, ${who}: ${reason}`);
  }

  /** Parts in which Fairway, or all, are missing. */
  get complete(): boolean {
    return !this.#leftOut.some((line) => /, (fairway|all): /.test(line));
  }

  table(): string {
    const lines = [...this.#rows.values()].map(({ measure, samples, notes }) => {
      const cell = (who: string): string => show(samples.get(who) ?? [], measure.unit);
      const times = (who: string): string => {
        const ratio = ratioOf({ measure, samples }, who);
        return ratio === undefined ? '' : `${ratio.toPrecision(3)} ×`;
      };
      const others = [...samples.keys()].filter((who) => who !== FAIRWAY && !PEERS.includes(who));
      const limit = [...others.map((who) => `${who}: ${cell(who)}, ${times(who)}`), ...notes];
      const peers = PEERS.flatMap((who) => [cell(who), times(who)]);
      return `| ${[measure.what, cell(FAIRWAY), ...peers, limit.join('; '), measure.target ?? ''].join(' | ')} |`;
    });
    const head = '| What | Fairway | dockerd | better than it | podman | better than it | Limit and notes | Target |';
    const table = [head, '|---|---|---|---|---|---|---|---|', ...lines].join('\n');
    if (this.#leftOut.length === 0) return table;
    return `${table}\n\nLeft out, and why:\n\n${this.#leftOut.map((line) => `- ${line}`).join('\n')}`;
  }

  /** `peers.md`, a plot for each group, and one of all ratios. */
  write(): void {
    mkdirSync(RESULTS, { recursive: true });
    for (const name of readdirSync(RESULTS)) if (/^peers.*\.svg$/.test(name)) rmSync(join(RESULTS, name));
    const plots = [this.#ratios(), ...this.#groups()].map(({ title, svg }) => {
      const name = `peers-${fileNameOf(title)}.svg`;
      writeFileSync(join(RESULTS, name), svg);
      return `![${title}](${name})`;
    });
    const machine = `${cpus().length} cores, Linux ${release()}, Node ${process.version}`;
    const load = `load average before ${this.#loadBefore.toFixed(1)}`;
    const where = `${new Date().toISOString().slice(0, 10)}, ${machine}, ${load}`;
    const intro = `\`npm run bench -- peers\`, ${where}. Medians, 99th percentile in brackets, number of samples after the ×. “Better than it” above 1 is in favour of Fairway; how each is driven stands in ../README.md.`;
    writeFileSync(
      join(RESULTS, 'peers.md'),
      `# Beside dockerd and podman\n\n${intro}\n\n${this.table()}\n\n${plots.join('\n\n')}\n`,
    );
  }

  #ratios(): { title: string; svg: string } {
    const title = 'Fairway beside dockerd, podman and work by hand';
    const shown: Ratio[] = [...this.#rows.values()].flatMap((row) =>
      [...row.samples.keys()].flatMap((who) => {
        const ratio = who === FAIRWAY ? undefined : ratioOf(row, who);
        const name = PEERS.includes(who) ? who : 'by hand';
        return ratio === undefined || ratio <= 0 ? [] : [{ row: row.measure.what, who: name, ratio }];
      }),
    );
    return { title, svg: ratios(title, shown) };
  }

  #groups(): { title: string; svg: string }[] {
    const groups = Map.groupBy(
      this.#rows.values(),
      ({ measure }) => `${measure.what.split(/[,:]/)[0]} (${measure.unit})`,
    );
    return [...groups].map(([title, rows]) => {
      const all: Bar[] = rows.flatMap((row) =>
        [...row.samples].map(([who, values]) => {
          const ratio = who === FAIRWAY ? undefined : ratioOf(row, who);
          const bar = { row: row.measure.what, who, value: median(values), p99: quantile(values, 0.99) };
          return ratio === undefined ? bar : { ...bar, ratio };
        }),
      );
      return { title, svg: bars(title, all) };
    });
  }

  #row(measure: Measure): Row {
    const row = this.#rows.get(measure.what) ?? { measure, samples: new Map<string, number[]>(), notes: new Set() };
    this.#rows.set(measure.what, row);
    return row;
  }
}

/** `relay (µs)` and `relay (/s)` are two. */
function fileNameOf(title: string): string {
  const plain = title.toLowerCase().replace('µ', 'u').replace('(/s)', '(per s)');
  return plain.replaceAll(/[^a-z0-9]+/g, '-').replace(/-$/, '');
}

/** How much better Fairway's median is than theirs; none where one of the two is missing, nothing, or less than nothing. */
function ratioOf({ measure, samples }: Pick<Row, 'measure' | 'samples'>, who: string): number | undefined {
  const ours = median(samples.get(FAIRWAY) ?? []);
  const theirs = median(samples.get(who) ?? []);
  if (!(ours > 0 && theirs > 0)) return undefined;
  return measure.lower ? theirs / ours : ours / theirs;
}

function show(values: readonly number[], unit: string): string {
  if (values.length === 0) return '';
  if (values.length === 1) return `${short(median(values))} ${unit}`;
  return `${short(median(values))} ${unit} (${short(quantile(values, 0.99))}; × ${values.length})`;
}
