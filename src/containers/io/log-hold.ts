import { existsSync, readdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { type Clock, type Log, messageOf } from '../../base/index.ts';
import { Readiness } from '../../kernel/index.ts';
import type { Store } from '../../model/index.ts';
import { type ContainersOptions, pipeFolder } from '../engine.ts';
import { LogWriter } from '../logs/index.ts';
import { type Container, Registry } from '../records/index.ts';
import { makeHolds, openReader, outputPaths, pipePaths } from '../streams/index.ts';
import { logFileOf, logSettingsOf } from './log-settings.ts';
import { Recorder } from './recorder.ts';

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
  /** Lets go of the pipes, for a daemon that takes them up. */
  release(): Promise<void>;
}

/**
 * Reads the outputs of running containers into their logs while no daemon does, so that none of them waits for a reader.
 * Nothing else is done for them: nobody can attach, and no exit is recorded.
 */
export async function holdLogs(deps: LogHoldDeps, options: LogHoldOptions): Promise<LogHold> {
  const registry = new Registry({ store: deps.store });
  await registry.load();
  const readiness = new Readiness();
  const held = registry
    .all()
    .filter((container) => container.running)
    .flatMap((container) => {
      try {
        return [hold(container, deps, { options, readiness })];
      } catch (error) {
        deps.log.warn({ container: container.id, reason: messageOf(error) }, 'the output of a container is not held');
        return [];
      }
    });
  const execs = registry.all().flatMap((container) => (container.running ? execOutputs(container, options) : []));
  for (const output of execs) output.ref().resume();
  return {
    count: held.length,
    ended: Promise.all(held.map(({ ended }) => ended)).then(() => {}),
    release: async () => {
      for (const output of execs) output.destroy();
      await Promise.all(held.map((recorder) => recorder.release()));
    },
  };
}

function hold(
  container: Container,
  { clock, log }: LogHoldDeps,
  { options, readiness }: { readonly options: LogHoldOptions; readonly readiness: Readiness },
): Recorder {
  const folder = pipeFolder(options, container.id);
  const { tty } = container.record.spec.process;
  const pipes = pipePaths(folder, 'init', { stdin: false, stdout: true, stderr: !tty });
  const paths = outputPaths(pipes, join(folder, 'init-journal'));
  makeHolds(paths);
  const writer = new LogWriter({ clock, log }, logFileOf(container, options), logSettingsOf(container, options));
  return new Recorder({ readiness, writer, log }, { paths, resumed: true });
}

/** Outputs of execs that go on: they have no log, and nobody is attached, but they must not wait either. */
function execOutputs({ id }: Container, options: LogHoldOptions): Socket[] {
  const folder = pipeFolder(options, id);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^[0-9a-f]+-std(?:out|err)$/.test(name))
    .map((name) => openReader(join(folder, name)).on('error', () => {}));
}
