import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestHost } from '../../test/support/index.ts';
import { COUNTS } from './counts.ts';
import { less, type Measure, more } from './report.ts';
import type { Turns } from './turns.ts';

const PROGRAM = fileURLToPath(new URL('library-program.ts', import.meta.url));
/** No size is begun that would not be made by then; closing them takes as long again. */
const SECONDS = 45;
const PATIENCE_MS = 180_000;

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
      const command = [process.execPath, '--disable-warning=ExperimentalWarning', PROGRAM, directory, String(SECONDS)];
      const output = await bare.ok([...command, ...COUNTS.endpoints.map(String)], { timeoutMs: PATIENCE_MS });
      const samples = JSON.parse(output) as Samples[];
      for (const size of COUNTS.endpoints) {
        if (!samples.some((sample) => sample.size === size)) {
          turns.report.note(measureOf('attach', size), 'left out: it would have taken too long');
        }
      }
      for (const { kind, size, values } of samples) {
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
