import { type Clock, type Log, messageOf, systemClock } from '../base/index.ts';

export interface SignalHandlers {
  /** Puts everything away; the process ends when it resolves. Called once. */
  readonly terminate: (signal: NodeJS.Signals) => Promise<void>;
  /** Reads the configuration again. Calls never overlap. */
  readonly reload: () => Promise<void>;
}

export interface SignalsDeps {
  readonly log: Log;
  readonly clock?: Clock;
  /** Where signals come from and how to end; the process itself outside of tests. */
  readonly process?: {
    on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
    off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
    exit(code: number): void;
  };
}

export interface SignalsOptions {
  /** How long `terminate` may take before the process ends anyway; negative: as long as it wants. */
  readonly graceMs: number;
}

/** How many times a user asks to end before we end at once. */
const PATIENCE = 3;

/** SIGINT and SIGTERM end the daemon, SIGHUP reloads it. Returns the removal of the handlers. */
export function handleSignals(deps: SignalsDeps, handlers: SignalHandlers, options: SignalsOptions): () => void {
  const { log, clock = systemClock, process: host = process } = deps;
  let asked = 0;
  let reloading: Promise<void> = Promise.resolve();
  const onEnd = (signal: NodeJS.Signals): void => {
    asked += 1;
    if (asked === PATIENCE) {
      log.warn({ signal }, 'ending at once');
      host.exit(130);
    }
    if (asked > 1) return;
    log.info({ signal }, 'ending');
    const giveUp = (): void => {
      log.error({ graceMs: options.graceMs }, 'ending took too long');
      host.exit(1);
    };
    const late = options.graceMs < 0 ? () => {} : clock.after(options.graceMs, giveUp);
    void reloading
      .then(() => handlers.terminate(signal))
      .then(
        () => {
          late();
          host.exit(0);
        },
        (error: unknown) => {
          log.error({ err: error }, `could not put everything away: ${messageOf(error)}`);
          host.exit(1);
        },
      );
  };
  const onReload = (): void => {
    if (asked > 0) return;
    reloading = reloading.then(handlers.reload).catch((error: unknown) => {
      log.error({ err: error }, `the configuration was not reloaded: ${messageOf(error)}`);
    });
  };
  const ending: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];
  for (const signal of ending) host.on(signal, onEnd);
  host.on('SIGHUP', onReload);
  return () => {
    for (const signal of ending) host.off(signal, onEnd);
    host.off('SIGHUP', onReload);
  };
}
