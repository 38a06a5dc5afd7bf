import { forEachName } from '../../actions/index.ts';
import { type Command, integer, text } from '../../grammar/index.ts';

export const stop: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  flags: [
    text('signal,s', 'Signal to send to the container'),
    integer('timeout,t', 'Seconds to wait before killing the container'),
    integer('time', 'Seconds to wait before killing the container', { hidden: true }),
  ],
  completes: ['running'],
  run(context, flags, args) {
    const options = { signal: flags.maybe('signal'), timeout: flags.integer('timeout') ?? flags.integer('time') };
    return forEachName(context, args, async (name) => {
      await context.client.containers.stop(name, options);
      return name;
    });
  },
};
