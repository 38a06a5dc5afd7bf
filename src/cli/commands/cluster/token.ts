import { type Command, print } from '../../grammar/index.ts';

export const token: Command = {
  usage: '',
  args: { min: 0, max: 0 },
  flags: [],
  async run(context) {
    print(context, await context.client.cluster.token());
    return 0;
  },
};
