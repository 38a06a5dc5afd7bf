import { messageOf } from '../../../base/index.ts';
import type { CreateContainer } from '../../../client/index.ts';
import { CREATION_FLAGS, createContainer, creationBody } from '../../creation/index.ts';
import { type Command, type Context, ExitError, type Flags, print } from '../../grammar/index.ts';

export const create: Command = {
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  args: { min: 1 },
  flags: CREATION_FLAGS,
  interspersed: false,
  completes: ['images', 'nothing'],
  async run(context, flags, args) {
    print(context, await createContainer(context, flags, requested(context, flags, args)));
    return 0;
  },
};

function requested(context: Context, flags: Flags, args: readonly string[]): CreateContainer {
  try {
    return creationBody(flags, args, context.env);
  } catch (error) {
    throw new ExitError(125, `fairway: ${messageOf(error)}\n\nRun 'fairway create --help' for more information`);
  }
}
