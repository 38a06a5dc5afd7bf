import { bool, type Command, list, print, text } from '../../grammar/index.ts';
import { parseImageName } from '../../values/index.ts';

export const commit: Command = {
  usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  args: { min: 1, max: 2 },
  flags: [
    text('author,a', 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")'),
    list('change,c', 'Apply Dockerfile instruction to the created image'),
    text('message,m', 'Commit message'),
    bool('pause,p', 'Pause container during commit', { shownDefault: 'true' }),
  ],
  completes: ['containers', 'images'],
  async run(context, flags, [container = '', image]) {
    const name = image === undefined ? undefined : parseImageName(image);
    const { Id } = await context.client.containers.commit({
      container,
      repo: name?.repository,
      tag: name?.tag,
      comment: flags.maybe('message'),
      author: flags.maybe('author'),
      changes: flags.list('change'),
      pause: flags.bool('pause', true) ? undefined : false,
    });
    print(context, Id);
    return 0;
  },
};
