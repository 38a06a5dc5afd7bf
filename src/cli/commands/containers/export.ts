import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Command, text } from '../../grammar/index.ts';

export const exportContainer: Command = {
  usage: '[OPTIONS] CONTAINER',
  args: { min: 1, max: 1 },
  flags: [text('output,o', 'Write to a file, instead of STDOUT', { completes: 'files' })],
  completes: ['containers'],
  async run(context, flags, [name = '']) {
    const path = flags.text('output');
    if (path === '' && context.stdout.isTTY === true) {
      throw new Error('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    const tar = await context.client.containers.export(name);
    await pipeline(tar, path === '' ? context.stdout : createWriteStream(path), { end: path !== '' });
    return 0;
  },
};
