import { bool, type Command, print } from '../../grammar/index.ts';
import { PLACE, placeOf, printJoin } from './place.ts';

export const init: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [...PLACE, bool('quiet,q', 'Only display the token')],
  async run(context, flags) {
    const { Token: token, Status: status } = await context.client.cluster.init(placeOf(flags));
    if (flags.bool('quiet')) {
      print(context, token);
    } else {
      print(context, `This host (${status.AdvertiseAddr}) is the first of a cluster. On another one, run:\n`);
      printJoin(context, token, false);
      print(
        context,
        '\nWith --manager it keeps the store, too; three hosts should. The token is a secret: who has it can join.',
      );
    }
    return 0;
  },
};
