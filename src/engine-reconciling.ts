import type { Drift, Reconciliation, Reconciling } from './model/index.ts';

/** Several as one, in their order. */
export function reconcilingAll(parts: readonly Reconciling[]): Reconciling {
  const all = async (work: (part: Reconciling) => Promise<Reconciliation>): Promise<Reconciliation> => {
    const results: Reconciliation[] = [];
    for (const part of parts) results.push(await work(part));
    return { done: results.flatMap(({ done }) => done), failed: results.flatMap(({ failed }) => failed) };
  };
  return {
    verify: async () => {
      const found: Drift[] = [];
      for (const part of parts) found.push(...(await part.verify()));
      return found;
    },
    repair: () => all((part) => part.repair()),
    collect: () => all((part) => part.collect()),
  };
}
