import type { Volume } from '../../../client/index.ts';
import { filterFlag, LIST_FORMAT } from '../../actions/index.ts';
import { humanSize, listing, type Row } from '../../format/index.ts';
import { bool, type Command } from '../../grammar/index.ts';
import { parseFilters } from '../../values/index.ts';

const HEADS = {
  Name: 'VOLUME NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  Mountpoint: 'MOUNTPOINT',
  Labels: 'LABELS',
  Label: (name: unknown) => String(name),
  Links: 'LINKS',
  Size: 'SIZE',
};

export const ls: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    filterFlag('Provide filter values (e.g. "dangling=true")'),
    LIST_FORMAT,
    bool('quiet,q', 'Only display volume names'),
  ],
  async run(context, flags) {
    const volumes = [...(await context.client.volumes.list(parseFilters(flags.list('filter'))))];
    volumes.sort((a, b) => a.Name.localeCompare(b.Name, 'en', { numeric: true }));
    context.stdout.write(
      listing(volumes.map(rowOf), {
        format: flags.text('format'),
        table: '{{.Driver}}\t{{.Name}}',
        heads: HEADS,
        quiet: flags.bool('quiet') ? 'Name' : undefined,
      }),
    );
    return 0;
  },
};

function rowOf(volume: Volume): Row {
  const labels = volume.Labels ?? {};
  return {
    Name: () => volume.Name,
    Driver: () => volume.Driver,
    Scope: () => volume.Scope,
    Mountpoint: () => volume.Mountpoint,
    Labels: () =>
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    Label: (name) => labels[String(name)] ?? '',
    Links: () => (volume.UsageData ? String(volume.UsageData.RefCount) : 'N/A'),
    Availability: () => 'N/A',
    Group: () => 'N/A',
    Status: () => 'N/A',
    Size: () => (volume.UsageData ? humanSize(volume.UsageData.Size) : 'N/A'),
  };
}
