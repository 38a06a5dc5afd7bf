// The process around the engine: sockets it listens on, its pid file, its signals. Knows no network and no container; what
// to do at a signal or with a connection is given to it.
export { whenIdle, workedMs } from './idle.ts';
export { Listeners, type ListenersDeps, type ListenersOptions } from './listeners.ts';
export { Pidfile, type PidfileOptions } from './pidfile.ts';
export { handleSignals, type SignalHandlers, type SignalsDeps, type SignalsOptions } from './signals.ts';
