import { ConnectionError, isNotFound } from '../../client/index.ts';
import { compileTemplate, TemplateError, unescaped } from '../format/index.ts';
import { type Context, type Flag, text, warn } from '../grammar/index.ts';
import { failureText } from './failure.ts';

export const INSPECT_FORMAT: Flag = text(
  'format,f',
  "Format output using a custom template:\n'json':             Print in JSON format\n'TEMPLATE':         Print output using the given Go template.",
);

export interface InspectOptions {
  readonly format: string;
  /** What a missing one is called: `No such container: `. */
  readonly missing?: string;
}

/** Fetches each name and prints them all: as one JSON list, as a line of JSON each, or through a template each. */
export async function inspectEach(
  context: Context,
  names: readonly string[],
  options: InspectOptions & { fetch(name: string): Promise<object> },
): Promise<number> {
  const { format } = options;
  const template = format === '' || format === 'json' ? undefined : compileTemplate(unescaped(format));
  const found: object[] = [];
  const failures: string[] = [];
  for (const name of names) {
    try {
      found.push(await options.fetch(name));
    } catch (error) {
      if (error instanceof ConnectionError) throw error;
      const said = isNotFound(error) && options.missing !== undefined;
      failures.push(said ? `Error: ${options.missing}${name}` : failureText(error));
    }
  }
  if (template !== undefined) {
    for (const one of found) {
      try {
        context.stdout.write(`${template.apply(one)}\n`);
      } catch (error) {
        if (!(error instanceof TemplateError)) throw error;
        context.stdout.write('\n');
        failures.push(error.message);
      }
    }
    if (found.length === 0) context.stdout.write('\n');
  } else if (format === 'json') {
    context.stdout.write(`${JSON.stringify(found)}\n`);
  } else {
    context.stdout.write(`${JSON.stringify(found, null, 4)}\n`);
  }
  for (const failure of failures) warn(context, failure);
  return failures.length === 0 ? 0 : 1;
}
