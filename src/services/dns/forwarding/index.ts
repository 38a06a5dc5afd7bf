// Asking other servers what we do not know, and remembering what they said for as long as they allow. It must not know our
// own names, and never mixes what different askers' servers said.
export * from './cache.ts';
export * from './exchange.ts';
export * from './forwarder.ts';
