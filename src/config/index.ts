// How the daemon is to run, in two steps: read raw (flags, daemon.json), then resolve into one typed, readonly value or an
// error that names the key. Defaults are in one file. Nobody else reads flags, files of configuration or the environment.
export type * from './config.ts';
export { DEFAULTS, LOG_LEVELS, type LogLevel } from './defaults.ts';
export { inheritedSockets } from './environment.ts';
export { type ListenAddress, listenText, parseListen } from './listen.ts';
export { helpText, type Invocation, loadConfig, reloadConfig } from './load.ts';
export { type ConfigChange, compareConfigs, reloadAttributes } from './reload.ts';
