import { forEachName } from '../../actions/index.ts';
import type { Command } from '../../grammar/index.ts';

export const unpause: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  args: { min: 1 },
  flags: [],
  completes: ['running'],
  run(context, _flags, args) {
    return forEachName(context, args, async (name) => {
      await context.client.containers.unpause(name);
      return name;
    });
  },
};
