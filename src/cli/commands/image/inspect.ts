import { INSPECT_FORMAT, inspectEach } from '../../actions/index.ts';
import { type Command, text } from '../../grammar/index.ts';

export const inspect: Command = {
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  args: { min: 1 },
  flags: [
    INSPECT_FORMAT,
    text('platform', 'Inspect a specific platform of the multi-platform image (e.g., "linux/amd64")'),
  ],
  completes: ['images'],
  run(context, flags, args) {
    return inspectEach(context, args, {
      format: flags.text('format'),
      fetch: (name) => context.client.images.inspect(name, { platform: flags.maybe('platform') }),
    });
  },
};
