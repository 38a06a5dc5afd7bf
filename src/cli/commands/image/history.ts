import type { HistoryEntry } from '../../../client/index.ts';
import { LIST_FORMAT } from '../../actions/index.ts';
import { ago, ellipsis, humanSize, listing, type Row, shortDigest } from '../../format/index.ts';
import { bool, type Command } from '../../grammar/index.ts';

const HEADS = {
  ID: 'IMAGE',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
};

interface Look {
  readonly full: boolean;
  readonly human: boolean;
  readonly now: number;
}

export const history: Command = {
  usage: '[OPTIONS] IMAGE',
  args: { min: 1, max: 1 },
  flags: [
    LIST_FORMAT,
    bool('human,H', 'Print sizes and dates in human readable format', { shownDefault: 'true' }),
    bool('no-trunc', "Don't truncate output"),
    bool('quiet,q', 'Only show image IDs'),
  ],
  completes: ['images'],
  async run(context, flags, [name = '']) {
    const look = { full: flags.bool('no-trunc'), human: flags.bool('human', true), now: context.now() };
    const entries = await context.client.images.history(name);
    const created = look.human ? '{{.CreatedSince}}' : '{{.CreatedAt}}';
    context.stdout.write(
      listing(
        entries.map((entry) => rowOf(entry, look)),
        {
          format: flags.text('format'),
          table: `{{.ID}}\t${created}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`,
          heads: HEADS,
          quiet: flags.bool('quiet') ? 'ID' : undefined,
        },
      ),
    );
    return 0;
  },
};

function rowOf(entry: HistoryEntry, look: Look): Row {
  const by = entry.CreatedBy.replaceAll('\t', ' ');
  return {
    ID: () => (look.full ? entry.Id : shortDigest(entry.Id)),
    CreatedSince: () => (entry.Created <= 0 ? 'N/A' : ago(look.now, entry.Created * 1000)),
    CreatedAt: () => new Date(entry.Created * 1000).toISOString().replace('.000Z', 'Z'),
    CreatedBy: () => (look.full ? by : ellipsis(by, 45)),
    Size: () => (look.human ? humanSize(entry.Size) : String(entry.Size)),
    Comment: () => entry.Comment,
  };
}
