import { invalid } from '../../base/index.ts';

export interface LoggedContainer {
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  readonly imageName: string;
  /** `KEY=value`. */
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * What the options `labels`, `env`, their patterns and `tag` choose of a container, as `docker logs --details` shows it: a
 * JSON object with sorted keys; undefined when nothing is chosen. Throws for a pattern or a template that is none.
 */
export function logAttributes(
  options: Readonly<Record<string, string>>,
  container: LoggedContainer,
): string | undefined {
  const env = Object.fromEntries(
    container.env.flatMap((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [] : [[entry.slice(0, at), entry.slice(at + 1)]];
    }),
  );
  const tag = options.tag ? tagOf(options.tag, container) : '';
  const chosen: Record<string, string> = {
    ...pick(container.labels, options.labels, options['labels-regex']),
    ...pick(env, options.env, options['env-regex']),
    ...(tag !== '' && { tag }),
  };
  const keys = Object.keys(chosen).sort();
  return keys.length === 0 ? undefined : JSON.stringify(Object.fromEntries(keys.map((key) => [key, chosen[key]])));
}

function pick(
  from: Readonly<Record<string, string>>,
  names: string | undefined,
  pattern: string | undefined,
): Record<string, string> {
  const wanted = new Set(names ? names.split(',') : []);
  const regex = pattern ? patternOf(pattern) : undefined;
  return Object.fromEntries(Object.entries(from).filter(([key]) => wanted.has(key) || regex?.test(key)));
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw invalid('invalid_log_option', `error parsing regexp: ${text}`);
  }
}

/** `{{.Name}}/{{.ID}}`: fields only, which is what tags are made of. */
function tagOf(template: string, container: LoggedContainer): string {
  const fields: Readonly<Record<string, string>> = {
    ID: container.id.slice(0, 12),
    FullID: container.id,
    Name: container.name,
    ImageID: container.imageId.replace(/^sha256:/, '').slice(0, 12),
    ImageFullID: container.imageId,
    ImageName: container.imageName,
    DaemonName: 'docker',
  };
  return template.replace(/\{\{(.*?)\}\}/g, (_all, inside: string) => {
    const value = fields[inside.trim().replace(/^\./, '')];
    if (value === undefined) {
      throw invalid('invalid_log_option', `template: log-tag: cannot evaluate ${inside.trim()} in a log tag`);
    }
    return value;
  });
}
