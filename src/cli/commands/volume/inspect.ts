import { INSPECT_FORMAT, inspectEach } from '../../actions/index.ts';
import type { Command } from '../../grammar/index.ts';

export const inspect: Command = {
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  args: { min: 1 },
  flags: [INSPECT_FORMAT],
  completes: ['volumes'],
  run(context, flags, args) {
    return inspectEach(context, args, {
      format: flags.text('format'),
      fetch: (name) => context.client.volumes.inspect(name),
    });
  },
};
