import { type Flag, flagLines, isGroup, nodeLines, type Tree } from './grammar/index.ts';

export const VERSION = '0.1.0';

const COMMON = ['run', 'exec', 'ps', 'pull', 'push', 'images', 'login', 'logout', 'version', 'info'];

/** What `fairway` alone and `fairway --help` print. */
export function rootHelp(tree: Tree, flags: readonly Flag[], width = 80): string {
  const names = Object.keys(tree);
  const pick = (wanted: readonly string[]): string =>
    nodeLines(
      Object.fromEntries(wanted.flatMap((name) => (tree[name] === undefined ? [] : [[name, tree[name]]]))),
    ).join('\n');
  const isManagement = (name: string): boolean => tree[name] !== undefined && isGroup(tree[name]);
  const management = names.filter(isManagement).sort();
  const others = names.filter((name) => !isManagement(name) && !COMMON.includes(name)).sort();
  return [
    'Usage:  fairway [OPTIONS] COMMAND',
    'Networks of containers, and the containers on them',
    `Common Commands:\n${pick(COMMON)}`,
    `Management Commands:\n${pick(management)}`,
    `Commands:\n${pick(others)}`,
    `Global Options:\n${flagLines(flags, width).join('\n')}`,
    "Run 'fairway COMMAND --help' for more information on a command.\n",
  ].join('\n\n');
}
