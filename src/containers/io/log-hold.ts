import { type Clock, type Log, messageOf } from '../../base/index.ts';
import type { Store } from '../../model/index.ts';
import { type ContainersOptions, containerFolder, pipeFolder } from '../engine.ts';
import { LogWriter } from '../logs/index.ts';
import { type Container, Registry } from '../records/index.ts';
import { ContainerStreams, openReader, pipePaths } from '../streams/index.ts';
import { logFileOf, logSettingsOf } from './log-settings.ts';

export interface LogHoldDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a container's log needs of the daemon's configuration. */
export type LogHoldOptions = Pick<ContainersOptions, 'dataRoot' | 'execRoot' | 'logDriver' | 'logOptions'>;

export interface LogHold {
  /** How many containers are listened to. */
  readonly count: number;
  /** Resolves when the last of them has ended. */
  readonly ended: Promise<void>;
  /** Writes down what has been read and lets go of the pipes, for a daemon that takes them up. */
  release(): Promise<void>;
}

/**
 * Reads the outputs of running containers into their logs while no daemon does, so that none of them waits for a reader.
 * Nothing else is done for them: nobody can attach, and no exit is recorded.
 */
export async function holdLogs(deps: LogHoldDeps, options: LogHoldOptions): Promise<LogHold> {
  const registry = new Registry({ store: deps.store });
  await registry.load();
  const held = registry
    .all()
    .filter((container) => container.running)
    .flatMap((container) => {
      try {
        return [hold(container, deps, options)];
      } catch (error) {
        deps.log.warn({ container: container.id, reason: messageOf(error) }, 'the output of a container is not held');
        return [];
      }
    });
  return {
    count: held.length,
    ended: Promise.all(held.map(({ ended }) => ended)).then(() => {}),
    release: async () => {
      await Promise.all(held.map(({ release }) => release()));
    },
  };
}

function hold(container: Container, { clock, log }: LogHoldDeps, options: LogHoldOptions) {
  const { tty, openStdin, stdinOnce } = container.record.spec.process;
  const paths = pipePaths(pipeFolder(options, container.id), 'init', { stdin: false, stdout: true, stderr: !tty });
  const stdout = paths.stdout === undefined ? undefined : openReader(paths.stdout);
  const stderr = paths.stderr === undefined ? undefined : openReader(paths.stderr);
  const writer = new LogWriter({ clock, log }, logFileOf(container, options), logSettingsOf(container, options));
  const spillFolder = containerFolder(options, container.id);
  const streams = new ContainerStreams({ tty, openStdin, stdinOnce, spillFolder });
  streams.connect({ stdout, stderr }, writer);
  for (const socket of [stdout, stderr]) socket?.ref();
  return {
    ended: streams.drained.then(() => writer.close()),
    release: async () => {
      streams.release();
      await writer.close();
    },
  };
}
