import { confirmed, filterFlag } from '../../actions/index.ts';
import { humanSize } from '../../format/index.ts';
import { bool, type Command, print } from '../../grammar/index.ts';
import { parseFilters } from '../../values/index.ts';

export const prune: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    bool('all,a', 'Remove all unused images not just dangling ones'),
    filterFlag('Provide filter values (e.g. "label=<key>=<value>")', 'filter'),
    bool('force,f', 'Do not prompt for confirmation'),
    bool('volumes', 'Prune anonymous volumes'),
  ],
  async run(context, flags) {
    const { containers, networks, images, volumes } = context.client;
    const all = flags.bool('all');
    const filters = parseFilters(flags.list('filter'));
    const kinds = [
      'all stopped containers',
      'all networks not used by at least one container',
      ...(flags.bool('volumes') ? ['all anonymous volumes not used by at least one container'] : []),
      all ? 'all images without at least one container associated to them' : 'all dangling images',
    ];
    const question = `WARNING! This will remove:\n${kinds.map((kind) => `  - ${kind}\n`).join('')}\nAre you sure you want to continue?`;
    if (!flags.bool('force') && !(await confirmed(context, question))) return 1;
    const show = (title: string, names: readonly string[] | null): void => {
      if (names !== null && names.length > 0) print(context, `Deleted ${title}:\n${names.join('\n')}\n`);
    };
    const gone = await containers.prune(filters);
    show('Containers', gone.ContainersDeleted);
    let space = gone.SpaceReclaimed;
    show('Networks', (await networks.prune(filters)).NetworksDeleted);
    if (flags.bool('volumes')) {
      const result = await volumes.prune(filters);
      show('Volumes', result.VolumesDeleted);
      space += result.SpaceReclaimed;
    }
    const result = await images.prune({ ...filters, dangling: [String(!all)] });
    show(
      'Images',
      (result.ImagesDeleted ?? []).map((one) =>
        one.Untagged ? `untagged: ${one.Untagged}` : `deleted: ${one.Deleted}`,
      ),
    );
    print(context, `Total reclaimed space: ${humanSize(space + result.SpaceReclaimed, 4)}`);
    return 0;
  },
};
