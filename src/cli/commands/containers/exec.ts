import { bool, type Command, type Context, ExitError, type Flags, list, print, text } from '../../grammar/index.ts';
import { converse, followSize, parseDetachKeys, sizeOf } from '../../terminal/index.ts';
import { checkVariable, environment } from '../../values/index.ts';

export const exec: Command = {
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  args: { min: 2 },
  flags: [
    bool('detach,d', 'Detached mode: run command in the background'),
    text('detach-keys', 'Override the key sequence for detaching a container'),
    list('env,e', 'Set environment variables', { check: checkVariable }),
    list('env-file', 'Read in a file of environment variables', { completes: 'files' }),
    bool('interactive,i', 'Keep STDIN open even if not attached'),
    bool('privileged', 'Give extended privileges to the command'),
    bool('tty,t', 'Allocate a pseudo-TTY'),
    text('user,u', 'Username or UID (format: "<name|uid>[:<group|gid>]")'),
    text('workdir,w', 'Working directory inside the container'),
  ],
  interspersed: false,
  completes: ['running', 'nothing'],
  async run(context, flags, args) {
    const [container = '', ...command] = args;
    const detach = flags.bool('detach');
    const tty = flags.bool('tty');
    const stdin = flags.bool('interactive') && !detach;
    if (tty && stdin && context.stdin.isTTY !== true) throw new ExitError(1, 'the input device is not a TTY');
    // The container is looked up first, so that a wrong name is what the answer is about.
    await context.client.containers.inspect(container);
    const { Id: id } = await context.client.execs.create(container, {
      User: flags.text('user'),
      Privileged: flags.bool('privileged'),
      Tty: tty,
      AttachStdin: stdin,
      AttachStdout: !detach,
      AttachStderr: !detach,
      DetachKeys: flags.text('detach-keys'),
      Env: environment({ files: flags.list('env-file'), flags: flags.list('env') }, context.env),
      WorkingDir: flags.text('workdir'),
      Cmd: command,
    });
    if (!detach) return await talk(context, flags, id);
    await context.client.execs.startDetached(id, { tty });
    return 0;
  },
};

async function talk(context: Context, flags: Flags, id: string): Promise<number> {
  const { execs } = context.client;
  const tty = flags.bool('tty');
  const connection = await execs.start(id, { tty, size: tty ? sizeOf(context.stdout) : undefined });
  using _size = tty ? followSize(context.stdout, (size) => execs.resize(id, size)) : undefined;
  const { stdout, stderr } = context;
  const ending = await converse(
    connection,
    { stdin: flags.bool('interactive') ? context.stdin : undefined, stdout, stderr },
    { tty, detachKeys: parseDetachKeys(flags.text('detach-keys')) },
  );
  if (ending === 'detached') {
    print(context, 'read escape sequence');
    return 0;
  }
  return (await execs.inspect(id)).ExitCode ?? 0;
}
