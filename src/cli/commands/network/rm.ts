import { isNotFound } from '../../../client/index.ts';
import { forEachName } from '../../actions/index.ts';
import { bool, type Command } from '../../grammar/index.ts';

export const rm: Command = {
  usage: '[OPTIONS] NETWORK [NETWORK...]',
  args: { min: 1 },
  flags: [bool('force,f', 'Do not error if the network does not exist')],
  completes: ['networks'],
  run(context, flags, args) {
    return forEachName(context, args, async (name) => {
      try {
        await context.client.networks.remove(name);
      } catch (error) {
        if (flags.bool('force') && isNotFound(error)) return undefined;
        throw error;
      }
      return name;
    });
  },
};
