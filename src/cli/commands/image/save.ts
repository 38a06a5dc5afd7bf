import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Command, text } from '../../grammar/index.ts';

export const save: Command = {
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  args: { min: 1 },
  flags: [
    text('output,o', 'Write to a file, instead of STDOUT', { completes: 'files' }),
    text('platform', 'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")'),
  ],
  completes: ['images'],
  async run(context, flags, args) {
    const path = flags.text('output');
    if (path === '' && context.stdout.isTTY === true) {
      throw new Error('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    const tar = await context.client.images.save(args, { platform: flags.text('platform') });
    await pipeline(tar, path === '' ? context.stdout : createWriteStream(path), { end: path !== '' });
    return 0;
  },
};
