// What containers use right now: processes from /proc, counters of cgroups and interfaces. Reads only.

export * from './sampler.ts';
export * from './top.ts';
