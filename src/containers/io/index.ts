// Streams and logs of containers brought together: pipes of a run, what attached clients see, where it is logged, and
// what an earlier daemon left open. The parts are in streams/ and logs/.
export * from './io-hub.ts';
export * from './log-hold.ts';
export type * from './pipe-keeper.ts';
