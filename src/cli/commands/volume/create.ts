import { type Command, list, print, text } from '../../grammar/index.ts';
import { parsePairs } from '../../values/index.ts';

export const create: Command = {
  usage: '[OPTIONS] [VOLUME]',
  args: { min: 0, max: 1 },
  flags: [
    text('driver,d', 'Specify volume driver name', { shownDefault: 'local' }),
    list('label', 'Set metadata for a volume'),
    text('name', 'Specify volume name', { hidden: true }),
    list('opt,o', 'Set driver specific options', { placeholder: 'map', shownDefault: 'map[]' }),
  ],
  completes: ['nothing'],
  async run(context, flags, [name]) {
    if (name !== undefined && flags.given('name')) {
      throw new Error('conflicting options: cannot specify a volume-name through both --name and as a positional arg');
    }
    const volume = await context.client.volumes.create({
      Name: name ?? flags.text('name'),
      Driver: flags.text('driver') || 'local',
      DriverOpts: parsePairs(flags.list('opt')),
      Labels: parsePairs(flags.list('label')),
    });
    print(context, volume.Name);
    return 0;
  },
};
