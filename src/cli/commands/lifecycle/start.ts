import { forEachName } from '../../actions/index.ts';
import { bool, type Command, type Context, type Flags, text } from '../../grammar/index.ts';
import { converse, followSize, forwardSignals, parseDetachKeys } from '../../terminal/index.ts';

export const start: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  flags: [
    bool('attach,a', 'Attach STDOUT/STDERR and forward signals'),
    bool('interactive,i', "Attach container's STDIN"),
    text('detach-keys', 'Override the key sequence for detaching a container'),
  ],
  completes: ['stopped'],
  async run(context, flags, args) {
    if (flags.bool('attach') || flags.bool('interactive')) {
      const [name = '', ...others] = args;
      if (others.length > 0) throw new Error('you cannot start and attach multiple containers at once');
      return await startAttached(context, flags, name);
    }
    const code = await forEachName(context, args, async (name) => {
      await context.client.containers.start(name);
      return name;
    });
    if (code !== 0) context.stderr.write(`failed to start containers: ${args.join(', ')}\n`);
    return code;
  },
};

async function startAttached(context: Context, flags: Flags, name: string): Promise<number> {
  const { containers } = context.client;
  const details = await containers.inspect(name);
  const { Tty: tty, OpenStdin: open } = details.Config;
  const keys = parseDetachKeys(flags.text('detach-keys'));
  const stdin = flags.bool('interactive') && open;
  if (tty && stdin && context.stdin.isTTY !== true) throw new Error('the input device is not a TTY');
  using _signals = tty ? undefined : forwardSignals((signal) => containers.kill(details.Id, signal));
  const connection = await containers.attach(details.Id, {
    stdin,
    stdout: true,
    stderr: true,
    detachKeys: flags.maybe('detach-keys'),
  });
  const { ended } = await containers.wait(details.Id, { condition: 'next-exit' });
  const { stdout, stderr } = context;
  const talk = converse(
    connection,
    { stdin: stdin ? context.stdin : undefined, stdout, stderr },
    { tty, detachKeys: keys },
  );
  try {
    await containers.start(details.Id, { detachKeys: flags.maybe('detach-keys') });
  } catch (error) {
    connection.close();
    await talk.catch(() => {});
    throw error;
  }
  using _size = tty ? followSize(stdout, (now) => containers.resize(details.Id, now)) : undefined;
  if ((await talk) === 'detached') return 0;
  return (await ended).StatusCode;
}
