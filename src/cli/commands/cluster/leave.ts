import { bool, type Command, print } from '../../grammar/index.ts';

export const leave: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    bool(
      'force,f',
      'Take containers off its networks, and leave even if others cannot be told or the store ends by it',
    ),
  ],
  async run(context, flags) {
    await context.client.cluster.leave({ force: flags.bool('force') });
    print(context, 'This host has left the cluster.');
    return 0;
  },
};
