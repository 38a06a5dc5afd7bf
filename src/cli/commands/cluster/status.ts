import type { ClusterInfo } from '../../../client/index.ts';
import { type Command, print } from '../../grammar/index.ts';

const KINDS = { none: 'none', external: "others' store", managed: 'its own store' } as const;

/** Exits with 1 when the store is not reachable. */
export const status: Command = {
  usage: '',
  args: { min: 0, max: 0 },
  flags: [],
  async run(context) {
    const found = await context.client.cluster.status();
    for (const line of lines(found)) print(context, line);
    return found.Kind === 'none' || found.Reachable ? 0 : 1;
  },
};

function lines(found: ClusterInfo): string[] {
  if (found.Kind === 'none') return ['Cluster: none'];
  const alive = found.Nodes.filter(({ Alive }) => Alive).length;
  return [
    `Cluster: ${KINDS[found.Kind]}`,
    `This host: ${found.AdvertiseAddr}${found.Manager ? ', manager' : ''}`,
    `Store: ${found.Endpoints.join(', ')}`,
    `Reachable: ${found.Reachable ? 'yes' : `no${found.Problem === '' ? '' : ` (${found.Problem})`}`}`,
    ...(found.Kind === 'managed' ? [`Members of the store: ${found.Members.length}`] : []),
    ...found.Members.map(({ ID: id, Name: name, Endpoints: at }) =>
      `  ${name || `${id} (not there yet)`} ${at.join(' ')}`.trimEnd(),
    ),
    `Hosts: ${found.Nodes.length} (${alive} ready)`,
  ];
}
