import { conflict, type Id } from '../../base/index.ts';
import type { ResourceOptions } from '../options.ts';

/** The limits of a container after a change. Throws `conflict` with Docker's texts where old and new contradict. */
export function changedResources(id: Id, present: ResourceOptions, change: Partial<ResourceOptions>): ResourceOptions {
  const refuse = (why: string): never => {
    throw conflict('conflicting_update', `Cannot update container ${id}: ${why}`);
  };
  const { nanoCpus = 0, cpuPeriod = 0, cpuQuota = 0, memory = 0, memorySwap = 0 } = change;
  if (nanoCpus > 0 && present.cpuPeriod > 0) {
    refuse('Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set');
  }
  if (nanoCpus > 0 && present.cpuQuota > 0) {
    refuse('Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set');
  }
  if (cpuPeriod > 0 && present.nanoCpus > 0) {
    refuse('Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set');
  }
  if (cpuQuota > 0 && present.nanoCpus > 0) {
    refuse('Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set');
  }
  // Unlimited swap (−1) is smaller than every limit, and Docker treats it so.
  if (memory > 0 && memorySwap === 0 && memory > present.memorySwap) {
    refuse('Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time');
  }
  return { ...present, ...change };
}
