import { text as readAll } from 'node:stream/consumers';
import { bool, type Command, print } from '../../grammar/index.ts';
import { PLACE, placeOf } from './place.ts';

export const join: Command = {
  usage: '[OPTIONS] TOKEN|-',
  args: { min: 1, max: 1 },
  flags: [...PLACE, bool('manager', 'Run a member of the store on this host, too')],
  completes: ['nothing'],
  async run(context, flags, [word = '']) {
    // What stands on a command line is seen by everybody on the host.
    const token = word === '-' ? (await readAll(context.stdin)).trim() : word;
    const manager = flags.bool('manager');
    const status = await context.client.cluster.join({ Token: token, Manager: manager, ...placeOf(flags) });
    print(context, `This host (${status.AdvertiseAddr}) has joined the cluster${manager ? ' as a manager' : ''}.`);
    return 0;
  },
};
