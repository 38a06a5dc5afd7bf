import { bool, type Command, print } from '../../grammar/index.ts';
import { hintAtRestart } from './place.ts';

export const leave: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [bool('force,f', 'Leave even if the others cannot be told, or the store ends by it')],
  async run(context, flags) {
    const status = await context.client.cluster.leave({ force: flags.bool('force') });
    print(context, 'This host has left the cluster.');
    hintAtRestart(context, status);
    return 0;
  },
};
