import { confirmed, filterFlag } from '../../actions/index.ts';
import { humanSize } from '../../format/index.ts';
import { bool, type Command, print } from '../../grammar/index.ts';
import { parseFilters } from '../../values/index.ts';

export const prune: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    bool('all,a', 'Remove all unused volumes, not just anonymous ones'),
    filterFlag('Provide filter values (e.g. "label=<label>")', 'filter'),
    bool('force,f', 'Do not prompt for confirmation'),
  ],
  async run(context, flags) {
    const all = flags.bool('all');
    const what = `${all ? '' : 'anonymous '}local volumes not used by at least one container`;
    const question = `WARNING! This will remove ${all ? 'all ' : ''}${what}.\nAre you sure you want to continue?`;
    if (!flags.bool('force') && !(await confirmed(context, question))) return 1;
    const filters = { ...parseFilters(flags.list('filter')), ...(all ? { all: ['true'] } : {}) };
    const result = await context.client.volumes.prune(filters);
    const deleted = result.VolumesDeleted ?? [];
    if (deleted.length > 0) print(context, `Deleted Volumes:\n${deleted.join('\n')}\n`);
    print(context, `Total reclaimed space: ${humanSize(result.SpaceReclaimed, 4)}`);
    return 0;
  },
};
