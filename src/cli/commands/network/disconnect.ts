import { bool, type Command } from '../../grammar/index.ts';

export const disconnect: Command = {
  usage: '[OPTIONS] NETWORK CONTAINER',
  args: { min: 2, max: 2 },
  flags: [bool('force,f', 'Force the container to disconnect from a network')],
  completes: ['networks', 'containers'],
  async run(context, flags, [network = '', container = '']) {
    await context.client.networks.disconnect(network, container, { force: flags.bool('force') });
    return 0;
  },
};
