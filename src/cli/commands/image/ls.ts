import type { ImageSummary } from '../../../client/index.ts';
import { filterFlag, LIST_FORMAT } from '../../actions/index.ts';
import { ago, goTime, humanSize, listing, type Row, shortDigest } from '../../format/index.ts';
import { bool, type Command } from '../../grammar/index.ts';
import { parseFilters } from '../../values/index.ts';

const HEADS = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  VirtualSize: 'SIZE',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
  Containers: 'CONTAINERS',
};

const NONE = '<none>';

export const ls: Command = {
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  args: { min: 0, max: 1 },
  flags: [
    bool('all,a', 'Show all images (default hides intermediate images)'),
    bool('digests', 'Show digests'),
    filterFlag('Filter output based on conditions provided'),
    LIST_FORMAT,
    bool('no-trunc', "Don't truncate output"),
    bool('quiet,q', 'Only show image IDs'),
  ],
  completes: ['images'],
  async run(context, flags, [pattern]) {
    const filters = parseFilters(flags.list('filter'));
    const reference = pattern === undefined ? {} : { reference: [pattern] };
    const images = await context.client.images.list({ all: flags.bool('all'), filters: { ...filters, ...reference } });
    const quiet = flags.bool('quiet');
    const digests = flags.bool('digests') || flags.text('format').includes('{{.Digest}}');
    const how = { full: flags.bool('no-trunc'), now: context.now() };
    const rows = images.flatMap((image) => namesOf(image, digests).map((name) => rowOf(image, name, how)));
    const digestColumn = flags.bool('digests') ? '\t{{.Digest}}' : '';
    context.stdout.write(
      listing(rows, {
        format: flags.text('format'),
        table: `{{.Repository}}\t{{.Tag}}${digestColumn}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`,
        heads: HEADS,
        quiet: quiet ? 'ID' : undefined,
      }),
    );
    return 0;
  },
};

interface Name {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

/** A line for each name; an image that lost its names has one line all the same. */
function namesOf(image: ImageSummary, digests: boolean): Name[] {
  const tags = (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>');
  const byRepository = new Map<string, string>();
  for (const name of image.RepoDigests ?? []) {
    const at = name.lastIndexOf('@');
    if (name !== '<none>@<none>') byRepository.set(name.slice(0, at), name.slice(at + 1));
  }
  if (tags.length === 0) {
    const [first] = byRepository;
    if (first === undefined) return [{ repository: NONE, tag: NONE, digest: NONE }];
    return [{ repository: first[0], tag: NONE, digest: digests ? first[1] : NONE }];
  }
  return tags.map((name) => {
    const colon = name.lastIndexOf(':');
    const repository = name.slice(0, colon);
    return { repository, tag: name.slice(colon + 1), digest: (digests && byRepository.get(repository)) || NONE };
  });
}

function rowOf(image: ImageSummary, name: Name, how: { full: boolean; now: number }): Row {
  const known = (size: number | undefined): string => (size === undefined || size < 0 ? 'N/A' : humanSize(size));
  return {
    ID: () => (how.full ? image.Id : shortDigest(image.Id)),
    Repository: () => name.repository,
    Tag: () => name.tag,
    Digest: () => name.digest,
    CreatedSince: () => (image.Created <= 0 ? 'N/A' : ago(how.now, image.Created * 1000)),
    CreatedAt: () => goTime(image.Created * 1000),
    Size: () => humanSize(image.Size),
    VirtualSize: () => humanSize(image.Size, 4),
    SharedSize: () => known(image.SharedSize),
    UniqueSize: () =>
      known(image.SharedSize === undefined || image.SharedSize < 0 ? -1 : image.Size - image.SharedSize),
    Containers: () => ((image.Containers ?? -1) < 0 ? 'N/A' : String(image.Containers)),
  };
}
