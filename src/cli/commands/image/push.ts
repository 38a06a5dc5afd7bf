import { registryAuth } from '../../actions/index.ts';
import { bool, type Command, print, text } from '../../grammar/index.ts';
import { showProgress } from '../../terminal/index.ts';
import { parseImageName } from '../../values/index.ts';

export const push: Command = {
  usage: '[OPTIONS] NAME[:TAG]',
  args: { min: 1, max: 1 },
  flags: [
    bool('disable-content-trust', 'Skip image signing', { hidden: true }),
    text('platform', 'Push a platform-specific manifest as a single-platform image to the registry.'),
    bool('quiet,q', 'Suppress verbose output'),
  ],
  completes: ['images'],
  async run(context, flags, [image = '']) {
    const { repository, tag, registry } = parseImageName(image);
    if (image === repository && !flags.bool('quiet')) print(context, 'Using default tag: latest');
    const auth = registryAuth(context.env, registry);
    const messages = context.client.images.push(repository, { tag, platform: flags.text('platform'), auth });
    if (!flags.bool('quiet')) {
      await showProgress(messages, context.stdout);
      return 0;
    }
    for await (const message of messages) if (message.error !== undefined) throw new Error(message.error);
    print(context, `${repository}:${tag}`);
    return 0;
  },
};
