import type { Context } from './context.ts';
import type { Completes, Flag } from './flag.ts';
import type { Flags } from './parse.ts';

/** One command of the grammar, in a file of its own and loaded only when it is used. */
export interface Command {
  /** What follows the command's path in its usage line: `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  readonly usage: string;
  /** How many arguments it takes; no `max` means any number. */
  readonly args: { readonly min: number; readonly max?: number };
  readonly flags: readonly Flag[];
  /** False when flags end at the first argument. */
  readonly interspersed?: boolean;
  /** What completes its arguments; the last entry goes for all that follow. */
  readonly completes?: readonly Completes[];
  /** Resolves with the exit code; nothing means 0. */
  run(context: Context, flags: Flags, args: readonly string[]): Promise<number | undefined>;
}

/** A command that is not loaded yet. */
export interface Leaf {
  readonly short: string;
  readonly aliases?: readonly string[];
  readonly hidden?: boolean;
  load(): Promise<Command>;
}

/** A word under which commands are grouped. */
export interface Group {
  readonly short: string;
  readonly commands: Readonly<Record<string, Leaf>>;
}

export type Node = Leaf | Group;
export type Tree = Readonly<Record<string, Node>>;

export function isGroup(node: Node): node is Group {
  return 'commands' in node;
}
