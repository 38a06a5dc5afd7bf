import { forEachName } from '../../actions/index.ts';
import type { Command } from '../../grammar/index.ts';

export const wait: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  args: { min: 1 },
  flags: [],
  completes: ['running'],
  run(context, _flags, args) {
    return forEachName(context, args, async (name) => {
      const { ended } = await context.client.containers.wait(name);
      const result = await ended;
      const failure = result.Error?.Message ?? '';
      if (failure !== '') throw new Error(failure);
      return String(result.StatusCode);
    });
  },
};
