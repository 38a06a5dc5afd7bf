import { isNotFound } from '../../../client/index.ts';
import { forEachName } from '../../actions/index.ts';
import { bool, type Command, warn } from '../../grammar/index.ts';

export const rm: Command = {
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  args: { min: 1 },
  flags: [bool('force,f', 'Force removal of the image'), bool('no-prune', 'Do not delete untagged parents')],
  completes: ['images'],
  run(context, flags, args) {
    const options = { force: flags.bool('force'), noPrune: flags.bool('no-prune') };
    return forEachName(context, args, async (name) => {
      try {
        const done = await context.client.images.remove(name, options);
        return done.map((one) => (one.Deleted ? `Deleted: ${one.Deleted}` : `Untagged: ${one.Untagged}`)).join('\n');
      } catch (error) {
        if (!options.force || !isNotFound(error)) throw error;
        warn(context, `Error response from daemon: ${error instanceof Error ? error.message : error}`);
        return undefined;
      }
    });
  },
};
