// The `fairway` program: Docker's grammar for networks, containers, images and volumes, over the client. One file a
// command, loaded when it is used. It must not know how the daemon works, only its API; it alone (with config) reads
// the environment, and hands it on in the context.
export { DEFAULT_HOST, GLOBAL_FLAGS, PROGRAM, runProgram, type Surroundings } from './program.ts';
export { VERSION } from './root-help.ts';
