import { createReadStream } from 'node:fs';
import { type Command, list, text } from '../../grammar/index.ts';
import { showProgress } from '../../terminal/index.ts';
import { parseImageName } from '../../values/index.ts';

export const importImage: Command = {
  usage: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  args: { min: 1, max: 2 },
  flags: [
    list('change,c', 'Apply Dockerfile instruction to the created image'),
    text('message,m', 'Set commit message for imported image'),
    text('platform', 'Set platform if server is multi-platform capable'),
  ],
  completes: ['files', 'images'],
  async run(context, flags, [source = '', image]) {
    const name = image === undefined ? undefined : parseImageName(image);
    const remote = /^https?:\/\//.test(source);
    const upload = remote ? undefined : source === '-' ? context.stdin : createReadStream(source);
    const messages = context.client.images.import(
      {
        fromSrc: remote ? source : '-',
        repo: name?.repository,
        tag: name?.tag,
        message: flags.maybe('message'),
        platform: flags.maybe('platform'),
        changes: flags.list('change'),
      },
      upload,
    );
    await showProgress(messages, context.stdout);
    return 0;
  },
};
