import { messageOf } from './errors.ts';

/**
 * Runs every step, in order, even when some fail; then throws what failed. Teardown uses it so that one stuck object
 * does not leave the rest behind.
 */
export async function runAll(steps: readonly (() => unknown)[], describe: string): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  throwAny(failures, describe);
}

/** As {@link runAll}, but side by side: for steps that need not wait for one another. */
export async function runTogether(steps: readonly (() => unknown)[], describe: string): Promise<void> {
  const results = await Promise.allSettled(steps.map(async (step) => step()));
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  throwAny(failures, describe);
}

function throwAny(failures: readonly unknown[], describe: string): void {
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) {
    throw new AggregateError(failures, `${describe}: ${failures.map(messageOf).join('; ')}`);
  }
}
