import type { ContainerSummary, Filters } from '../../../client/index.ts';
import { filterFlag, LIST_FORMAT } from '../../actions/index.ts';
import { ago, ellipsis, goTime, humanSize, listing, portsText, type Row, shortDigest } from '../../format/index.ts';
import { bool, type Command, integer } from '../../grammar/index.ts';
import { parseFilters } from '../../values/index.ts';

const TABLE = '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}';

const HEADS = {
  ID: 'CONTAINER ID',
  Names: 'NAMES',
  Image: 'IMAGE',
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  RunningFor: 'CREATED',
  Ports: 'PORTS',
  State: 'STATE',
  Status: 'STATUS',
  Size: 'SIZE',
  Labels: 'LABELS',
  Label: (name: unknown) => String(name),
  Mounts: 'MOUNTS',
  LocalVolumes: 'LOCAL VOLUMES',
  Networks: 'NETWORKS',
};

export const ls: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    bool('all,a', 'Show all containers (default shows just running)'),
    filterFlag('Filter output based on conditions provided'),
    LIST_FORMAT,
    integer('last,n', 'Show n last created containers (includes all states)', { shownDefault: '-1' }),
    bool('latest,l', 'Show the latest created container (includes all states)'),
    bool('no-trunc', "Don't truncate output"),
    bool('quiet,q', 'Only display container IDs'),
    bool('size,s', 'Display total file sizes'),
  ],
  async run(context, flags) {
    const format = flags.text('format');
    const size = flags.bool('size') || (!flags.bool('quiet') && /\.Size\b/.test(format));
    const limit = flags.bool('latest') ? 1 : flags.integer('last');
    const filters: Filters = parseFilters(flags.list('filter'));
    const found = await context.client.containers.list({
      all: flags.bool('all'),
      limit: limit === undefined || limit < 0 ? undefined : limit,
      size,
      filters,
    });
    const full = flags.bool('no-trunc');
    context.stdout.write(
      listing(
        found.map((one) => rowOf(one, { full, now: context.now() })),
        {
          format,
          table: size ? `${TABLE}\t{{.Size}}` : TABLE,
          heads: HEADS,
          quiet: flags.bool('quiet') ? 'ID' : undefined,
        },
      ),
    );
    return 0;
  },
};

function rowOf(one: ContainerSummary, how: { full: boolean; now: number }): Row {
  const labels = one.Labels ?? {};
  const names = one.Names.map((name) => name.replace(/^\//, ''));
  const mounts = one.Mounts ?? [];
  return {
    ID: () => (how.full ? one.Id : one.Id.slice(0, 12)),
    Names: () => (how.full ? names : names.filter((name) => !name.includes('/'))).join(','),
    Image: () => imageText(one, how.full),
    Command: () => JSON.stringify(how.full ? one.Command : ellipsis(one.Command, 20)),
    CreatedAt: () => goTime(one.Created * 1000),
    RunningFor: () => ago(how.now, one.Created * 1000),
    Ports: () => portsText(one.Ports ?? []),
    State: () => one.State,
    Status: () => one.Status,
    Size: () => sizeText(one),
    Labels: () =>
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    Label: (name) => labels[String(name)] ?? '',
    Mounts: () =>
      mounts
        .map((mount) => mount.Name || mount.Source || '')
        .map((name) => (how.full ? name : ellipsis(name, 15)))
        .join(','),
    LocalVolumes: () => String(mounts.filter((mount) => mount.Type === 'volume').length),
    Networks: () =>
      Object.keys(one.NetworkSettings?.Networks ?? {})
        .sort()
        .join(','),
  };
}

function imageText(one: ContainerSummary, full: boolean): string {
  if (one.Image === '') return '<no image>';
  return !full && shortDigest(one.Image) === shortDigest(one.ImageID) ? shortDigest(one.Image) : one.Image;
}

function sizeText(one: ContainerSummary): string {
  const own = humanSize(one.SizeRw ?? 0);
  return (one.SizeRootFs ?? 0) > 0 ? `${own} (virtual ${humanSize(one.SizeRootFs ?? 0)})` : own;
}
