import { isNotFound } from '../../../client/index.ts';
import { INSPECT_FORMAT, inspectEach } from '../../actions/index.ts';
import { bool, type Command, type Context, text } from '../../grammar/index.ts';

type Fetch = (name: string) => Promise<object>;

export const inspect: Command = {
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  args: { min: 1 },
  flags: [
    INSPECT_FORMAT,
    bool('size,s', 'Display total file sizes if the type is container'),
    text('type', 'Only inspect objects of the given type'),
  ],
  completes: ['containers'],
  run(context, flags, args) {
    const type = flags.text('type');
    const kinds = fetchers(context, flags.bool('size'));
    const wanted = type === '' ? [...kinds.values()] : [kinds.get(type)];
    const chosen = wanted.filter((fetch) => fetch !== undefined);
    if (chosen.length === 0)
      throw new Error(
        `unknown type: ${JSON.stringify(type)}: must be one of ${[...kinds.keys()].map((kind) => JSON.stringify(kind)).join(', ')}`,
      );
    return inspectEach(context, args, {
      format: flags.text('format'),
      missing: type === '' ? 'No such object: ' : `No such ${type}: `,
      fetch: (name) => firstFound(chosen, name),
    });
  },
};

function fetchers(context: Context, size: boolean): ReadonlyMap<string, Fetch> {
  const { containers, images, networks, volumes } = context.client;
  return new Map<string, Fetch>([
    ['container', (name) => containers.inspect(name, { size })],
    ['image', (name) => images.inspect(name)],
    ['network', (name) => networks.inspect(name)],
    ['volume', (name) => volumes.inspect(name)],
  ]);
}

/** Asks kind after kind; the last one's "not found" is the answer when none has it. */
async function firstFound(kinds: readonly Fetch[], name: string): Promise<object> {
  let missing: unknown;
  for (const fetch of kinds) {
    try {
      return await fetch(name);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      missing = error;
    }
  }
  throw missing;
}
