import { type Completes, type Flag, list, text } from '../grammar/index.ts';
import { parseFilters } from '../values/index.ts';

const FORMAT_HELP = [
  'Format output using a custom template:',
  "'table':            Print output in table format with column headers (default)",
  "'table TEMPLATE':   Print output in table format using the given Go template",
  "'json':             Print in JSON format",
  "'TEMPLATE':         Print output using the given Go template.",
].join('\n');

export const LIST_FORMAT: Flag = text('format', FORMAT_HELP);

export function filterFlag(help: string, names = 'filter,f'): Flag {
  const completes: Completes = 'nothing';
  return list(names, help, { placeholder: 'filter', check: (value) => parseFilters([value]), completes });
}
