import { INSPECT_FORMAT, inspectEach } from '../../actions/index.ts';
import { bool, type Command } from '../../grammar/index.ts';

export const inspect: Command = {
  usage: '[OPTIONS] NETWORK [NETWORK...]',
  args: { min: 1 },
  flags: [INSPECT_FORMAT, bool('verbose,v', 'Verbose output for diagnostics')],
  completes: ['networks'],
  run(context, flags, args) {
    return inspectEach(context, args, {
      format: flags.text('format'),
      fetch: (name) => context.client.networks.inspect(name, { verbose: flags.bool('verbose') }),
    });
  },
};
