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
    const quiet = flags.bool('quiet');
    const allTags = flags.bool('all-tags');
    const { tag, repository } = parseImageName(image);
    if (allTags && image !== repository) throw new Error("tag can't be used with --all-tags/-a");
    if (!allTags && !quiet && tag === 'latest' && !/:latest$/.test(image)) print(context, 'Using default tag: latest');
    await pullImage(context, image, { platform: flags.text('platform'), quiet, allTags, output: context.stdout });
    if (allTags) print(context, image);
    else printPulled(context, image);
    return 0;
  },
};
