import { confirmed, filterFlag } from '../../actions/index.ts';
import { humanSize } from '../../format/index.ts';
import { bool, type Command, print } from '../../grammar/index.ts';
import { parseFilters } from '../../values/index.ts';

export const prune: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    bool('all,a', 'Remove all unused images, not just dangling ones'),
    filterFlag('Provide filter values (e.g. "until=<timestamp>")', 'filter'),
    bool('force,f', 'Do not prompt for confirmation'),
  ],
  async run(context, flags) {
    const all = flags.bool('all');
    const what = all ? 'images without at least one container associated to them' : 'dangling images';
    const question = `WARNING! This will remove all ${what}.\nAre you sure you want to continue?`;
    if (!flags.bool('force') && !(await confirmed(context, question))) return 1;
    const filters = { ...parseFilters(flags.list('filter')), dangling: [String(!all)] };
    const result = await context.client.images.prune(filters);
    const lines = (result.ImagesDeleted ?? []).map((one) =>
      one.Untagged === undefined || one.Untagged === '' ? `deleted: ${one.Deleted}` : `untagged: ${one.Untagged}`,
    );
    if (lines.length > 0) print(context, `Deleted Images:\n${lines.join('\n')}\n`);
    print(context, `Total reclaimed space: ${humanSize(result.SpaceReclaimed, 4)}`);
    return 0;
  },
};
