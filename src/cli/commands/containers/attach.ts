import { bool, type Command, type Context, text } from '../../grammar/index.ts';
import { converse, followSize, forwardSignals, parseDetachKeys, sizeOf } from '../../terminal/index.ts';

export const attach: Command = {
  usage: '[OPTIONS] CONTAINER',
  args: { min: 1, max: 1 },
  flags: [
    text('detach-keys', 'Override the key sequence for detaching a container'),
    bool('no-stdin', 'Do not attach STDIN'),
    bool('sig-proxy', 'Proxy all received signals to the process', { shownDefault: 'true' }),
  ],
  completes: ['running'],
  async run(context, flags, [name = '']) {
    const { containers } = context.client;
    const details = await containers.inspect(name);
    const { Running, Paused, Restarting } = details.State;
    if (!Running) throw new Error('cannot attach to a stopped container, start it first');
    if (Paused) throw new Error('cannot attach to a paused container, unpause it first');
    if (Restarting) throw new Error('cannot attach to a restarting container, wait until it is running');
    const { Tty: tty, OpenStdin: open } = details.Config;
    const stdin = open && !flags.bool('no-stdin');
    if (tty && stdin && context.stdin.isTTY !== true) throw new Error('the input device is not a TTY');
    const forward = flags.bool('sig-proxy', true) && !tty;
    using _signals = forward ? forwardSignals((signal) => containers.kill(details.Id, signal)) : undefined;
    const { ended } = await containers.wait(details.Id);
    const connection = await containers.attach(details.Id, {
      stdin,
      stdout: true,
      stderr: true,
      detachKeys: flags.maybe('detach-keys'),
    });
    if (tty) await redraw(context, (size) => containers.resize(details.Id, size));
    using _size = tty ? followSize(context.stdout, (size) => containers.resize(details.Id, size)) : undefined;
    const { stdout, stderr } = context;
    const ending = await converse(
      connection,
      { stdin: stdin ? context.stdin : undefined, stdout, stderr },
      { tty, detachKeys: parseDetachKeys(flags.text('detach-keys')) },
    );
    if (ending === 'ended') return (await ended).StatusCode;
    stdout.write('read escape sequence\n');
    return 0;
  },
};

/** A terminal that changes its size makes the program in it draw anew, so that its screen appears at once. */
async function redraw(
  context: Context,
  resize: (size: { rows: number; columns: number }) => Promise<void>,
): Promise<void> {
  const size = sizeOf(context.stdout);
  if (size !== undefined) await resize({ rows: size.rows + 1, columns: size.columns + 1 }).catch(() => {});
}
