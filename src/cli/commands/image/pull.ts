import { printPulled, pullImage } from '../../actions/index.ts';
import { bool, type Command, print, text } from '../../grammar/index.ts';
import { parseImageName } from '../../values/index.ts';

export const pull: Command = {
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  args: { min: 1, max: 1 },
  flags: [
    bool('all-tags,a', 'Download all tagged images in the repository'),
    bool('disable-content-trust', 'Skip image verification', { hidden: true }),
    text('platform', 'Set platform if server is multi-platform capable'),
    bool('quiet,q', 'Suppress verbose output'),
  ],
  completes: ['images'],
  async run(context, flags, [image = '']) {
    if (flags.bool('all-tags')) throw new Error('pulling all tags of a repository is not supported: name one tag');
    const quiet = flags.bool('quiet');
    const { tag } = parseImageName(image);
    if (!quiet && tag === 'latest' && !/:latest$/.test(image)) print(context, 'Using default tag: latest');
    await pullImage(context, image, { platform: flags.text('platform'), quiet, output: context.stdout });
    printPulled(context, image);
    return 0;
  },
};
