import { confirmed, filterFlag } from '../../actions/index.ts';
import { bool, type Command, print } from '../../grammar/index.ts';
import { parseFilters } from '../../values/index.ts';

const WARNING =
  'WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?';

export const prune: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    filterFlag('Provide filter values (e.g. "until=<timestamp>")', 'filter'),
    bool('force,f', 'Do not prompt for confirmation'),
  ],
  async run(context, flags) {
    if (!flags.bool('force') && !(await confirmed(context, WARNING))) return 1;
    const { NetworksDeleted } = await context.client.networks.prune(parseFilters(flags.list('filter')));
    const deleted = NetworksDeleted ?? [];
    if (deleted.length > 0) print(context, `Deleted Networks:\n${deleted.join('\n')}\n`);
    return 0;
  },
};
