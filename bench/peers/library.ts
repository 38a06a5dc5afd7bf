import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestHost } from '../../test/support/index.ts';
import { COUNTS } from './counts.ts';
import { less, type Measure, more } from './report.ts';
import type { Turns } from './turns.ts';

const PROGRAM = fileURLToPath(new URL('library-program.ts', import.meta.url));
const PATIENCE_MS = 120_000;

interface Samples {
  readonly kind: 'attach' | 'by hand' | 'look' | 'names' | 'close';
  readonly size: number;
  readonly values: readonly number[];
}

/** A network with up to a thousand endpoints, by the library door: Fairway's network layer without containers. */
export async function library(turns: Turns, bare: TestHost): Promise<void> {
  await turns.each(
    async ({ name }) => {
      const directory = join(bare.directory, 'library');
      mkdirSync(directory);
      const command = [process.execPath, '--disable-warning=ExperimentalWarning', PROGRAM, directory];
      const output = await bare.ok([...command, ...COUNTS.endpoints.map(String)], { timeoutMs: PATIENCE_MS });
      for (const { kind, size, values } of JSON.parse(output) as Samples[]) {
        turns.report.add(measureOf(kind, size), kind === 'by hand' ? kind : name, ...values);
      }
    },
    ({ name }) => name === 'fairway',
  );
}

function measureOf(kind: Samples['kind'], size: number): Measure {
  const many = `${size} endpoint${size === 1 ? '' : 's'}`;
  switch (kind) {
    case 'attach':
    case 'by hand':
      return less(`library, attach: to a network with ${many}`, 'ms', '≤ 1.5 × that with 10');
    case 'look':
      return less(`library, all of the network's endpoints: ${many}`, 'ms', 'flat or linear');
    case 'names':
      return more(`library, names: rate among ${many}`, '/s', 'flat');
    case 'close':
      return less(`library, close a sandbox, 16 at once: of ${many}`, 'ms', 'no 20 ms a veth');
  }
}
