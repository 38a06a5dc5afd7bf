// What containers use right now: their processes from /proc (`docker top`), counters of their cgroups through containerd
// and of their interfaces from /proc (`docker stats`). Reads only and keeps nothing: who compares two samples keeps the
// first.

export * from './sampler.ts';
export * from './top.ts';
