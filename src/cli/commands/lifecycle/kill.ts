import { forEachName } from '../../actions/index.ts';
import { type Command, text } from '../../grammar/index.ts';

export const kill: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  flags: [text('signal,s', 'Signal to send to the container')],
  completes: ['running'],
  run(context, flags, args) {
    return forEachName(context, args, async (name) => {
      await context.client.containers.kill(name, flags.maybe('signal'));
      return name;
    });
  },
};
