import { confirmed, filterFlag } from '../../actions/index.ts';
import { humanSize } from '../../format/index.ts';
import { bool, type Command, print } from '../../grammar/index.ts';
import { parseFilters } from '../../values/index.ts';

const WARNING = 'WARNING! This will remove all stopped containers.\nAre you sure you want to continue?';

export const prune: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    filterFlag('Provide filter values (e.g. "until=<timestamp>")', 'filter'),
    bool('force,f', 'Do not prompt for confirmation'),
  ],
  async run(context, flags) {
    if (!flags.bool('force') && !(await confirmed(context, WARNING))) return 1;
    const result = await context.client.containers.prune(parseFilters(flags.list('filter')));
    const deleted = result.ContainersDeleted ?? [];
    if (deleted.length > 0) print(context, `Deleted Containers:\n${deleted.join('\n')}\n`);
    print(context, `Total reclaimed space: ${humanSize(result.SpaceReclaimed, 4)}`);
    return 0;
  },
};
