import type { Command } from '../../grammar/index.ts';
import { parseImageName } from '../../values/index.ts';

export const tag: Command = {
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  args: { min: 2, max: 2 },
  flags: [],
  completes: ['images'],
  async run(context, _flags, [source = '', target = '']) {
    const name = parseImageName(target);
    if (name.tag.includes(':')) throw new Error('refusing to create a tag with a digest reference');
    await context.client.images.tag(source, { repo: name.repository, tag: name.tag });
    return 0;
  },
};
