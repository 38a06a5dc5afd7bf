import { CREATION_FLAGS, createContainer, creationBody } from '../../creation/index.ts';
import { type Command, print } from '../../grammar/index.ts';

export const create: Command = {
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  args: { min: 1 },
  flags: CREATION_FLAGS,
  interspersed: false,
  completes: ['images', 'nothing'],
  async run(context, flags, args) {
    const body = creationBody(flags, args, context.env);
    print(context, await createContainer(context, flags, body));
    return 0;
  },
};
