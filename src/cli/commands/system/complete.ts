import {
  type Command,
  type Completes,
  type Context,
  type Flag,
  isGroup,
  type Leaf,
  type Node,
  print,
  type Tree,
} from '../../grammar/index.ts';

interface Candidate {
  readonly word: string;
  readonly help: string;
}

const FILES: Candidate = { word: ':files', help: '' };
const GLOBALS_WITH_VALUE = new Set(['-H', '--host', '-l', '--log-level', '--config', '-c', '--context']);

export const complete: Command = {
  usage: '-- [WORD...]',
  args: { min: 0 },
  flags: [],
  interspersed: false,
  async run(context, _flags, args) {
    // The tree is asked for here, not at the top: it holds this very command.
    const { TREE } = await import('../index.ts');
    const words = args.length === 0 ? [''] : args;
    for (const { word, help } of await candidates(context, TREE, words)) {
      print(context, help === '' ? word : `${word}\t${help}`);
    }
    return 0;
  },
};

/** What may stand in the place of the last word. */
async function candidates(context: Context, tree: Tree, words: readonly string[]): Promise<Candidate[]> {
  const current = words.at(-1) ?? '';
  const before = [...words.slice(0, -1)];
  while (before[0]?.startsWith('-')) before.splice(0, GLOBALS_WITH_VALUE.has(before[0]) ? 2 : 1);
  const [first, second] = before;
  if (first === undefined) return named(tree, current);
  const node = Object.hasOwn(tree, first) ? tree[first] : undefined;
  if (node === undefined) return [];
  if (!isGroup(node)) return await forCommand(context, await node.load(), { before: before.slice(1), current });
  if (second === undefined) return named(node.commands, current);
  const leaf = Object.entries(node.commands).find(
    ([name, one]) => name === second || one.aliases?.includes(second),
  )?.[1];
  return leaf === undefined ? [] : await forCommand(context, await leaf.load(), { before: before.slice(2), current });
}

function named(nodes: Readonly<Record<string, Node>>, prefix: string): Candidate[] {
  return Object.entries(nodes)
    .filter(([name, node]) => name.startsWith(prefix) && (node as Leaf).hidden !== true)
    .map(([word, node]) => ({ word, help: node.short }));
}

async function forCommand(
  context: Context,
  command: Command,
  words: { before: readonly string[]; current: string },
): Promise<Candidate[]> {
  const { current } = words;
  const flags = command.flags.filter((flag) => flag.hidden !== true);
  const { position, awaiting } = walk(flags, words.before, command.interspersed ?? true);
  if (awaiting !== undefined) return await values(context, awaiting.completes, current);
  const ended = command.interspersed === false && position > 0;
  if (current.startsWith('-') && !ended) {
    return flags
      .filter((flag) => `--${flag.name}`.startsWith(current))
      .map((flag) => ({ word: `--${flag.name}`, help: flag.help.split('\n')[0] ?? '' }));
  }
  const kinds = command.completes ?? [];
  return await values(context, kinds[Math.min(position, kinds.length - 1)], current);
}

/** How many arguments came before, and the flag that still waits for its value. */
function walk(
  flags: readonly Flag[],
  before: readonly string[],
  interspersed: boolean,
): { position: number; awaiting: Flag | undefined } {
  let position = 0;
  let awaiting: Flag | undefined;
  for (const word of before) {
    if (awaiting !== undefined) awaiting = undefined;
    else if (word.startsWith('-') && (interspersed || position === 0)) awaiting = waiting(flags, word);
    else position += 1;
  }
  return { position, awaiting };
}

function waiting(flags: readonly Flag[], word: string): Flag | undefined {
  const flag = word.startsWith('--')
    ? flags.find(({ name }) => `--${name}` === word)
    : flags.find(({ short }) => short !== undefined && short === word.at(-1));
  return flag === undefined || flag.kind === 'bool' ? undefined : flag;
}

async function values(context: Context, kind: Completes | undefined, prefix: string): Promise<Candidate[]> {
  if (kind === 'files') return [FILES];
  if (kind === undefined || kind === 'nothing') return [];
  const found = await names(context, kind).catch(() => []);
  return found.filter((name) => name.startsWith(prefix)).map((word) => ({ word, help: '' }));
}

async function names(context: Context, kind: Exclude<Completes, 'files' | 'nothing'>): Promise<string[]> {
  const { containers, networks, images, volumes } = context.client;
  switch (kind) {
    case 'networks':
      return (await networks.list()).map((network) => network.Name);
    case 'images':
      return (await images.list()).flatMap((image) => (image.RepoTags ?? []).filter((tag) => !tag.includes('<none>')));
    case 'volumes':
      return (await volumes.list()).map((volume) => volume.Name);
    default: {
      const all = await containers.list({ all: kind !== 'running' });
      const wanted = kind === 'stopped' ? all.filter((one) => one.State !== 'running') : all;
      return wanted.flatMap((one) => one.Names.map((name) => name.replace(/^\//, '')));
    }
  }
}
