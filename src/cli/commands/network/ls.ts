import type { NetworkSummary } from '../../../client/index.ts';
import { filterFlag, LIST_FORMAT } from '../../actions/index.ts';
import { goTime, listing, type Row } from '../../format/index.ts';
import { bool, type Command } from '../../grammar/index.ts';
import { parseFilters } from '../../values/index.ts';

const HEADS = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  IPv4: 'IPV4',
  IPv6: 'IPV6',
  Internal: 'INTERNAL',
  Labels: 'LABELS',
  Label: (name: unknown) => String(name),
  CreatedAt: 'CREATED AT',
};

export const ls: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    filterFlag('Provide filter values (e.g. "driver=bridge")'),
    LIST_FORMAT,
    bool('no-trunc', 'Do not truncate the output'),
    bool('quiet,q', 'Only display network IDs'),
  ],
  async run(context, flags) {
    const networks = await context.client.networks.list(parseFilters(flags.list('filter')));
    networks.sort((a, b) => a.Name.localeCompare(b.Name, 'en', { numeric: true }));
    context.stdout.write(
      listing(
        networks.map((network) => rowOf(network, flags.bool('no-trunc'))),
        {
          format: flags.text('format'),
          table: '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
          heads: HEADS,
          quiet: flags.bool('quiet') ? 'ID' : undefined,
        },
      ),
    );
    return 0;
  },
};

function rowOf(network: NetworkSummary, full: boolean): Row {
  const labels = network.Labels ?? {};
  return {
    ID: () => (full ? network.Id : network.Id.slice(0, 12)),
    Name: () => network.Name,
    Driver: () => network.Driver,
    Scope: () => network.Scope,
    IPv4: () => String(network.EnableIPv4 ?? true),
    IPv6: () => String(network.EnableIPv6),
    Internal: () => String(network.Internal),
    Labels: () =>
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    Label: (name) => labels[String(name)] ?? '',
    CreatedAt: () => goTime(network.Created),
  };
}
