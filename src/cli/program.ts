import { type Client, ConnectionError } from '../client/index.ts';
import { failureText } from './actions/index.ts';
import { TREE } from './commands/index.ts';
import {
  bool,
  type Command,
  type Context,
  commandHelp,
  ExitError,
  groupHelp,
  isGroup,
  type Leaf,
  list,
  type Node,
  parseFlags,
  suggestions,
  text,
  UsageError,
  usageLine,
} from './grammar/index.ts';
import { rootHelp, VERSION } from './root-help.ts';

export const PROGRAM = 'fairway';
export const DEFAULT_HOST = 'unix:///run/fairway/fairway.sock';

const CODE_USAGE = 125;

/** The flags that stand before the command. */
export const GLOBAL_FLAGS = [
  list('host,H', 'Daemon socket to connect to'),
  bool('debug,D', 'Enable debug mode'),
  text('log-level,l', 'Set the logging level ("debug", "info", "warn", "error", "fatal")', { shownDefault: 'info' }),
  text('config', 'Location of client config files', { completes: 'files' }),
  text('context,c', 'Name of the context to use (only "default")', { completes: 'nothing' }),
  bool('version,v', 'Print version information and quit'),
];

export interface Surroundings extends Omit<Context, 'client'> {
  makeClient(host: string): Client;
}

/** Runs one command line and resolves with its exit code. */
export async function runProgram(words: readonly string[], around: Surroundings): Promise<number> {
  try {
    return await dispatch(words, around);
  } catch (error) {
    if (error instanceof ExitError) {
      if (error.message !== '') around.stderr.write(`${error.message}\n`);
      return error.code;
    }
    const message = failureText(error);
    around.stderr.write(`${message}\n`);
    if (message.includes('permission denied') && error instanceof ConnectionError) {
      around.stderr.write('Are you root, or in the group that owns the socket?\n');
    }
    return 1;
  }
}

async function dispatch(words: readonly string[], around: Surroundings): Promise<number> {
  const root = parseRoot(words);
  if (root.flags.bool('version')) {
    around.stdout.write(`Fairway version ${VERSION}\n`);
    return 0;
  }
  const wanted = root.args[0] === 'help' ? [...root.args.slice(1), '--help'] : root.args;
  if (wanted.length === 0 || wanted[0]?.startsWith('-')) {
    around.stdout.write(rootHelp(TREE, GLOBAL_FLAGS, around.stdout.columns));
    return 0;
  }
  const found = find(wanted);
  if (!('leaf' in found)) {
    around.stdout.write(groupHelp(found.path, found.group));
    return 0;
  }
  const hosts = root.flags.list('host');
  const host = hosts.at(-1) || around.env.FAIRWAY_HOST || around.env.DOCKER_HOST || DEFAULT_HOST;
  const config = root.flags.maybe('config');
  const env = config === undefined ? around.env : { ...around.env, DOCKER_CONFIG: config };
  const client = around.makeClient(host.includes('://') ? host : hostWithScheme(host));
  try {
    return await runLeaf(found, { ...around, env, client });
  } finally {
    client.close();
  }
}

function parseRoot(words: readonly string[]) {
  try {
    return parseFlags(GLOBAL_FLAGS, words, { interspersed: false });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw usageFailure(error.message, { path: PROGRAM, usage: `${PROGRAM} [OPTIONS] COMMAND [ARG...]` });
  }
}

function hostWithScheme(host: string): string {
  return host.startsWith('/') ? `unix://${host}` : `tcp://${host}`;
}

interface FoundLeaf {
  readonly leaf: Leaf;
  readonly path: string;
  readonly rest: readonly string[];
}

interface FoundGroup {
  readonly path: string;
  readonly group: { readonly short: string; readonly commands: Readonly<Record<string, Leaf>> };
}

function find(words: readonly string[]): FoundLeaf | FoundGroup {
  const [first = '', ...rest] = words;
  const node: Node | undefined = Object.hasOwn(TREE, first) ? TREE[first] : undefined;
  if (node === undefined) throw unknownCommand(PROGRAM, { typed: first, names: Object.keys(TREE) });
  const path = `${PROGRAM} ${first}`;
  if (!isGroup(node)) return { leaf: node, path, rest };
  const [second, ...more] = rest;
  if (second === undefined || second === '--help' || second === '-h') return { path, group: node };
  for (const [name, leaf] of Object.entries(node.commands)) {
    if (name === second || leaf.aliases?.includes(second)) return { leaf, path: `${path} ${name}`, rest: more };
  }
  throw unknownCommand(path, { typed: second, names: Object.keys(node.commands) });
}

function unknownCommand(path: string, word: { typed: string; names: readonly string[] }): ExitError {
  const near = suggestions(word.typed, word.names).slice(0, 3);
  const hint = near.length === 0 ? '' : `\nDid you mean this?\n${near.map((name) => `\t${name}\n`).join('')}`;
  return new ExitError(
    1,
    `${PROGRAM}: unknown command: ${path} ${word.typed}\n${hint}\nRun '${path} --help' for more information`,
  );
}

async function runLeaf(found: FoundLeaf, context: Context): Promise<number> {
  const command = await found.leaf.load();
  const usage = usageLine(command, found.path);
  let parsed: ReturnType<typeof parseFlags>;
  try {
    parsed = parseFlags(command.flags, found.rest, { interspersed: command.interspersed ?? true });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw usageFailure(error.message, { path: found.path, usage });
  }
  if (parsed.help) {
    const about = { path: found.path, short: found.leaf.short, aliases: pathsOf(found.leaf) };
    context.stdout.write(commandHelp(command, about, { width: context.stdout.columns }));
    return 0;
  }
  checkCount(command, parsed.args.length, { path: found.path, usage });
  return (await command.run(context, parsed.flags, parsed.args)) ?? 0;
}

function usageFailure(message: string, about: { path: string; usage: string }): ExitError {
  const text = `${message}\n\nUsage:  ${about.usage}\n\nRun '${about.path} --help' for more information`;
  return new ExitError(CODE_USAGE, text);
}

function checkCount(command: Command, count: number, about: { path: string; usage: string }): void {
  const { min, max } = command.args;
  if (count >= min && (max === undefined || count <= max)) return;
  const plural = (number: number): string => `${number} argument${number === 1 ? '' : 's'}`;
  const exact = max === min;
  const wants =
    max === 0
      ? 'accepts no arguments'
      : exact
        ? `requires ${plural(min)}`
        : count < min
          ? `requires at least ${plural(min)}`
          : `requires at most ${plural(max ?? 0)}`;
  const look = exact ? 'Run' : 'See';
  throw new ExitError(
    1,
    `${PROGRAM}: '${about.path}' ${wants}\n\nUsage:  ${about.usage}\n\n${look} '${about.path} --help' for more information`,
  );
}

/** Every way to spell a command, the ones within groups first. */
function pathsOf(leaf: Leaf): string[] {
  const inside: string[] = [];
  const alone: string[] = [];
  for (const [name, node] of Object.entries(TREE)) {
    if (node === leaf) alone.push(`${PROGRAM} ${name}`);
    if (!isGroup(node)) continue;
    for (const [inner, candidate] of Object.entries(node.commands)) {
      if (candidate !== leaf) continue;
      inside.push(...[inner, ...(leaf.aliases ?? [])].map((spelling) => `${PROGRAM} ${name} ${spelling}`));
    }
  }
  return [...inside, ...alone];
}
