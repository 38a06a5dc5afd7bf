import { INSPECT_FORMAT, inspectEach } from '../../actions/index.ts';
import { bool, type Command } from '../../grammar/index.ts';

export const inspect: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  flags: [INSPECT_FORMAT, bool('size,s', 'Display total file sizes')],
  completes: ['containers'],
  run(context, flags, args) {
    return inspectEach(context, args, {
      format: flags.text('format'),
      fetch: (name) => context.client.containers.inspect(name, { size: flags.bool('size') }),
    });
  },
};
