import type { Command } from '../../grammar/index.ts';

export const rename: Command = {
  usage: 'CONTAINER NEW_NAME',
  args: { min: 2, max: 2 },
  flags: [],
  completes: ['containers', 'nothing'],
  async run(context, _flags, [name = '', newName = '']) {
    await context.client.containers.rename(name, newName);
    return 0;
  },
};
