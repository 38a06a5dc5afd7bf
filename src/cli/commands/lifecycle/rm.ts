import { isNotFound } from '../../../client/index.ts';
import { forEachName } from '../../actions/index.ts';
import { bool, type Command, warn } from '../../grammar/index.ts';

export const rm: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  flags: [
    bool('force,f', 'Force the removal of a running container (uses SIGKILL)'),
    bool('link,l', 'Remove the specified link'),
    bool('volumes,v', 'Remove anonymous volumes associated with the container'),
  ],
  completes: ['containers'],
  run(context, flags, args) {
    const force = flags.bool('force');
    const options = { force, link: flags.bool('link'), volumes: flags.bool('volumes') };
    return forEachName(context, args, async (name) => {
      try {
        await context.client.containers.remove(name, options);
      } catch (error) {
        if (!force || !isNotFound(error)) throw error;
        warn(context, `Error response from daemon: ${error instanceof Error ? error.message : error}`);
        return undefined;
      }
      return name;
    });
  },
};
