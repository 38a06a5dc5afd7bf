import { isNotFound } from '../../../client/index.ts';
import { forEachName } from '../../actions/index.ts';
import { bool, type Command } from '../../grammar/index.ts';

export const rm: Command = {
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  args: { min: 1 },
  flags: [bool('force,f', 'Force the removal of one or more volumes')],
  completes: ['volumes'],
  run(context, flags, args) {
    const force = flags.bool('force');
    return forEachName(context, args, async (name) => {
      try {
        await context.client.volumes.remove(name, { force });
      } catch (error) {
        if (!force || !isNotFound(error)) throw error;
      }
      return name;
    });
  },
};
