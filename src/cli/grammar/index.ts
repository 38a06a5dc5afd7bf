// The grammar of the command line: flags as Docker's clients parse them, the shape of a command, its help, and the
// nearest word to a mistyped one. It knows no particular command and must do no I/O. Docker's flags come from Go's
// pflag (`-it=false`, `--ipv4=false`, flags that end at the first argument), which no parser of npm reads the same
// way, hence our own.
export { type Command, type Group, isGroup, type Leaf, type Node, type Tree } from './command.ts';
export { type Context, ExitError, type Input, type Output, print, warn } from './context.ts';
export { bool, type Completes, commas, type Flag, integer, list, parseBool, text } from './flag.ts';
export { commandHelp, flagLines, groupHelp, nodeLines, usageLine } from './help.ts';
export { Flags, type Parsed, parseFlags, UsageError } from './parse.ts';
export { distance, suggestions } from './suggest.ts';
