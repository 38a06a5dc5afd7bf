import type { Drift, Reconciliation } from '../../../client/index.ts';
import { LIST_FORMAT } from '../../actions/index.ts';
import { listing, type Row } from '../../format/index.ts';
import type { Command } from '../../grammar/index.ts';

const HEADS = { Kind: 'KIND', Problem: 'PROBLEM', Object: 'OBJECT', Detail: 'DETAIL' };
const TABLE = '{{.Kind}}\t{{.Problem}}\t{{.Object}}\t{{.Detail}}';

/** Exits with 1 when something is not as it should be. */
export const verify: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [LIST_FORMAT],
  async run(context, flags) {
    const drift = await context.client.system.verify();
    context.stdout.write(listing(drift.map(row), { format: flags.text('format'), table: TABLE, heads: HEADS }));
    return drift.length > 0 ? 1 : 0;
  },
};

export const repair: Command = changing((client) => client.repair());
export const gc: Command = changing((client) => client.collect());

/** Prints what was done, a line for each; exits with 1 when something could not be. */
function changing(
  work: (client: { repair(): Promise<Reconciliation>; collect(): Promise<Reconciliation> }) => Promise<Reconciliation>,
): Command {
  return {
    usage: '',
    args: { min: 0, max: 0 },
    flags: [],
    async run(context) {
      const { Done, Failed } = await work(context.client.system);
      for (const { Object: object } of Done) context.stdout.write(`${object}\n`);
      for (const { Object: object, Reason } of Failed) context.stderr.write(`${object}: ${Reason}\n`);
      return Failed.length > 0 ? 1 : 0;
    },
  };
}

function row(drift: Drift): Row {
  return {
    Kind: () => drift.Kind,
    Problem: () => drift.Problem,
    Object: () => drift.Object,
    Detail: () => drift.Detail,
    NetworkID: () => drift.NetworkID,
    EndpointID: () => drift.EndpointID,
    ContainerID: () => drift.ContainerID,
  };
}
