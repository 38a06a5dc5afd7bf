import { type Command, print } from '../../grammar/index.ts';

const KINDS = ['C', 'A', 'D'];

export const diff: Command = {
  usage: 'CONTAINER',
  args: { min: 1, max: 1 },
  flags: [],
  completes: ['containers'],
  async run(context, _flags, [name = '']) {
    const changes = (await context.client.containers.changes(name)) ?? [];
    for (const change of changes) print(context, `${KINDS[change.Kind] ?? '?'} ${change.Path}`);
    return 0;
  },
};
