import type { Command, Leaf, Node } from './command.ts';
import type { Flag } from './flag.ts';

const DEFAULT_WIDTH = 80;

export interface HelpOptions {
  readonly width?: number | undefined;
}

/** The full help of one command. `path` is `fairway network create`. */
export function commandHelp(
  command: Command,
  about: { path: string; short: string; aliases: readonly string[] },
  options: HelpOptions = {},
): string {
  const parts = [`Usage:  ${usageLine(command, about.path)}`, about.short];
  if (about.aliases.length > 1) parts.push(`Aliases:\n  ${about.aliases.join(', ')}`);
  const flags = flagLines(command.flags, options.width ?? DEFAULT_WIDTH);
  if (flags.length > 0) parts.push(`Options:\n${flags.join('\n')}`);
  return `${parts.join('\n\n')}\n`;
}

export function usageLine(command: Command, path: string): string {
  return command.usage === '' ? path : `${path} ${command.usage}`;
}

export function flagLines(flags: readonly Flag[], width: number): string[] {
  const shown = flags.filter((flag) => flag.hidden !== true);
  shown.sort((a, b) => (a.name < b.name ? -1 : 1));
  const heads = shown.map(flagHead);
  const indent = Math.max(0, ...heads.map((head) => head.length)) + 3;
  return shown.map((flag, at) => {
    const lines = helpText(flag).split('\n');
    const wrapped = lines.flatMap((line) => wrap(line, Math.max(24, width - indent)));
    return (heads[at] ?? '').padEnd(indent) + wrapped.join(`\n${' '.repeat(indent)}`);
  });
}

function flagHead(flag: Flag): string {
  const short = flag.short === undefined ? '      ' : `  -${flag.short}, `;
  return `${short}--${flag.name}${flag.placeholder === '' ? '' : ` ${flag.placeholder}`}`;
}

function helpText(flag: Flag): string {
  if (flag.shownDefault === undefined) return flag.help;
  const quoted = flag.placeholder === 'string' ? JSON.stringify(flag.shownDefault) : flag.shownDefault;
  return `${flag.help} (default ${quoted})`;
}

function wrap(line: string, width: number): string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else {
      current = current === '' ? word : `${current} ${word}`;
    }
  }
  return [...lines, current];
}

export function nodeLines(nodes: Readonly<Record<string, Node>>): string[] {
  const shown = Object.entries(nodes).filter(([, node]) => (node as Leaf).hidden !== true);
  const width = Math.max(11, ...shown.map(([name]) => name.length + 1)) + 1;
  return shown.map(([name, node]) => `  ${name.padEnd(width - 1)} ${node.short}`);
}

export function groupHelp(path: string, group: { short: string; commands: Readonly<Record<string, Leaf>> }): string {
  const commands = Object.fromEntries(Object.entries(group.commands).sort(([a], [b]) => (a < b ? -1 : 1)));
  return [
    `Usage:  ${path} COMMAND`,
    group.short,
    `Commands:\n${nodeLines(commands).join('\n')}`,
    `Run '${path} COMMAND --help' for more information on a command.\n`,
  ].join('\n\n');
}
