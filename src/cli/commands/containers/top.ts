import { alignColumns } from '../../format/index.ts';
import { type Command, print } from '../../grammar/index.ts';

export const top: Command = {
  usage: 'CONTAINER [ps OPTIONS]',
  args: { min: 1 },
  flags: [],
  interspersed: false,
  completes: ['running', 'nothing'],
  async run(context, _flags, [name = '', ...options]) {
    const asked = options.length === 0 ? undefined : options.join(' ');
    const { Titles, Processes } = await context.client.containers.top(name, asked);
    const lines = [Titles, ...(Processes ?? [])].map((cells) => cells.join('\t'));
    for (const line of alignColumns(lines, { minimum: 20 })) print(context, line);
    return 0;
  },
};
