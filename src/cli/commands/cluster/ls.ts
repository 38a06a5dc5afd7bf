import type { ClusterInfo } from '../../../client/index.ts';
import { LIST_FORMAT } from '../../actions/index.ts';
import { listing, type Row } from '../../format/index.ts';
import { bool, type Command } from '../../grammar/index.ts';

const HEADS = {
  ID: 'ID',
  Hostname: 'HOSTNAME',
  Address: 'ADDRESS',
  Status: 'STATUS',
  Manager: 'MANAGER',
  Self: '',
};

/** Hosts of the cluster; this one has a star. */
export const ls: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [LIST_FORMAT, bool('no-trunc', 'Do not truncate the output'), bool('quiet,q', 'Only display IDs')],
  async run(context, flags) {
    const status = await context.client.cluster.status();
    if (status.Kind === 'none')
      throw new Error('this host is in no cluster: use fairway cluster init or fairway cluster join');
    const nodes = [...status.Nodes].sort((a, b) => a.Name.localeCompare(b.Name, 'en', { numeric: true }));
    context.stdout.write(
      listing(
        nodes.map((node) => rowOf(node, flags.bool('no-trunc'))),
        {
          format: flags.text('format'),
          table: '{{.ID}}{{.Self}}\t{{.Hostname}}\t{{.Address}}\t{{.Status}}\t{{.Manager}}',
          heads: HEADS,
          quiet: flags.bool('quiet') ? 'ID' : undefined,
        },
      ),
    );
    return 0;
  },
};

function rowOf(node: ClusterInfo['Nodes'][number], full: boolean): Row {
  return {
    ID: () => (full ? node.ID : node.ID.slice(0, 12)),
    Self: () => (node.Self ? ' *' : ''),
    Hostname: () => node.Name,
    Address: () => node.Address,
    Status: () => (node.Alive ? 'Ready' : 'Down'),
    Manager: () => (node.Manager ? 'yes' : ''),
  };
}
