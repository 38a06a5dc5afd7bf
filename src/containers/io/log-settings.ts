import { type ContainersOptions, logPath } from '../engine.ts';
import { type LogSettings, logAttributes, parseLogOptions } from '../logs/index.ts';
import type { LogOptions } from '../options.ts';
import type { Container } from '../records/index.ts';

type Options = Pick<ContainersOptions, 'dataRoot' | 'logDriver' | 'logOptions'>;

/** The container's own choice, or the daemon's for one that chose nothing. Throws for options that nobody knows. */
export function logSettingsOf(container: Pick<Container, 'record'>, options: Options): LogSettings {
  const { id, name, imageId, spec, effective } = container.record;
  const chosen = chosenBy(container, options);
  const settings = parseLogOptions(chosen, options.logDriver);
  const attributes =
    settings.driver === 'none'
      ? undefined
      : logAttributes(chosen.options, {
          id,
          name,
          imageId,
          imageName: spec.image,
          env: effective.env,
          labels: effective.labels,
        });
  return { ...settings, ...(attributes !== undefined && { attributes }) };
}

export function logFileOf(container: Pick<Container, 'id' | 'record'>, options: Options): string {
  return logPath(options, container.id, logDriverOf(container, options));
}

export function logDriverOf(container: Pick<Container, 'record'>, options: Options): string {
  return chosenBy(container, options).driver || (options.logDriver ?? 'json-file');
}

function chosenBy({ record }: Pick<Container, 'record'>, options: Options): LogOptions {
  const { log } = record.spec;
  return log.driver === '' && Object.keys(log.options).length === 0
    ? { driver: '', options: options.logOptions ?? {} }
    : log;
}
