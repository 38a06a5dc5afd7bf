// The terminal and the streams of this process: raw mode and its restoration, the size of the window, signals handed
// to a container, the keys that detach, progress drawn line by line. It knows connections but no command.
export { type ConversationStreams, converse, drain, type Ending } from './conversation.ts';
export { DetachFilter, parseDetachKeys } from './detach-keys.ts';
export { type ProgressOptions, showProgress } from './progress.ts';
export { followSize, forwardSignals, sizeOf } from './signals.ts';
