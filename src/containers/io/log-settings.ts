import { type ContainersOptions, logPath } from '../engine.ts';
import { type LogSettings, parseLogOptions } from '../logs/index.ts';
import type { Container } from '../records/index.ts';

type Options = Pick<ContainersOptions, 'dataRoot' | 'logDriver' | 'logOptions'>;

/** The container's own choice, or the daemon's for one that chose nothing. */
export function logSettingsOf(container: Pick<Container, 'record'>, options: Options): LogSettings {
  const { log } = container.record.spec;
  const chosen =
    log.driver === '' && Object.keys(log.options).length === 0
      ? { driver: '', options: options.logOptions ?? {} }
      : log;
  return parseLogOptions(chosen, options.logDriver);
}

export function logFileOf(container: Pick<Container, 'id' | 'record'>, options: Options): string {
  return logPath(options, container.id, logSettingsOf(container, options).driver);
}
