// Making a container: the flags that `run` and `create` share, and what they come to as a request. The translation is
// pure but for the files that flags name; `createContainer` alone talks to the daemon.
export { type Attached, attachedStreams, creationBody } from './container-config.ts';
export { createContainer } from './create-container.ts';
export { CREATION_FLAGS } from './flags.ts';
