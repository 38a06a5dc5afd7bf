import { setTimeout as after } from 'node:timers/promises';
import { messageOf } from '../../../base/index.ts';
import type { CreateContainer, Hijacked, WaitResult } from '../../../client/index.ts';
import { failureText } from '../../actions/index.ts';
import { attachedStreams, CREATION_FLAGS, createContainer, creationBody } from '../../creation/index.ts';
import { bool, type Command, type Context, ExitError, type Flags, print, text } from '../../grammar/index.ts';
import { converse, type Ending, followSize, forwardSignals, parseDetachKeys, sizeOf } from '../../terminal/index.ts';

export const run: Command = {
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  args: { min: 1 },
  flags: [
    ...CREATION_FLAGS,
    bool('detach,d', 'Run container in background and print container ID'),
    bool('sig-proxy', 'Proxy received signals to the process', { shownDefault: 'true' }),
    text('detach-keys', 'Override the key sequence for detaching a container'),
  ],
  interspersed: false,
  completes: ['images', 'nothing'],
  async run(context, flags, args) {
    try {
      const body = creationBody(flags, args, context.env);
      return flags.bool('detach') ? await runDetached(context, flags, body) : await runAttached(context, flags, body);
    } catch (error) {
      if (error instanceof ExitError) throw error;
      const said = failureText(error);
      throw new ExitError(codeOf(said), `fairway: ${said}\n\nRun 'fairway run --help' for more information`);
    }
  },
};

/** 127 for a command that is not there, 126 for one that may not be run, 125 for what the daemon refused. */
function codeOf(message: string): number {
  if (/executable file not found|no such file or directory|system cannot find the file/.test(message)) return 127;
  return /permission denied|is a directory/.test(message) ? 126 : 125;
}

async function runDetached(context: Context, flags: Flags, body: CreateContainer): Promise<number> {
  if (flags.given('attach')) throw new Error('conflicting options: cannot specify both --attach and --detach');
  Object.assign(body, { AttachStdin: false, AttachStdout: false, AttachStderr: false, StdinOnce: false });
  const id = await createContainer(context, flags, body);
  await context.client.containers.start(id);
  print(context, id);
  return 0;
}

async function runAttached(context: Context, flags: Flags, body: CreateContainer): Promise<number> {
  const { containers } = context.client;
  const streams = attachedStreams(flags);
  const tty = flags.bool('tty');
  if (tty && streams.stdin && context.stdin.isTTY !== true) throw new Error('the input device is not a TTY');
  const size = tty ? sizeOf(context.stdout) : undefined;
  if (size !== undefined) body.HostConfig.ConsoleSize = [size.rows, size.columns];
  const keys = parseDetachKeys(flags.text('detach-keys'));
  const id = await createContainer(context, flags, body);
  if (!streams.stdout && !streams.stderr) print(context, id);
  using _signals = flags.bool('sig-proxy', true) ? forwardSignals((signal) => containers.kill(id, signal)) : undefined;
  const connection = await containers.attach(id, { ...streams, detachKeys: flags.maybe('detach-keys') });
  const { ended } = await containers.wait(id, { condition: flags.bool('rm') ? 'removed' : 'next-exit' });
  const talk = converse(
    connection,
    {
      stdin: streams.stdin ? context.stdin : undefined,
      stdout: streams.stdout ? context.stdout : undefined,
      stderr: streams.stderr ? context.stderr : undefined,
    },
    { tty, detachKeys: keys },
  );
  await startOrClean(context, { id, connection, talk, removed: flags.bool('rm') ? ended : undefined });
  using _size = tty ? followSize(context.stdout, (now) => containers.resize(id, now)) : undefined;
  if ((await talk) === 'detached') {
    context.stdout.write('read escape sequence\n');
    return 0;
  }
  return exitCode(await ended);
}

const REMOVAL_PATIENCE_MS = 10_000;

interface Starting {
  readonly id: string;
  readonly connection: Hijacked;
  readonly talk: Promise<Ending>;
  readonly removed: Promise<WaitResult> | undefined;
}

/** A container that cannot start leaves no half-open conversation; the failure is reported once the streams ended. */
async function startOrClean(context: Context, starting: Starting): Promise<void> {
  try {
    await context.client.containers.start(starting.id);
  } catch (error) {
    starting.connection.close();
    await starting.talk.catch(() => {});
    // With --rm the daemon removes what never ran; do not return before that.
    await Promise.race([starting.removed?.catch(() => {}), after(REMOVAL_PATIENCE_MS, undefined, { ref: false })]);
    throw error;
  }
}

function exitCode(result: WaitResult): number {
  const failure = result.Error?.Message;
  if (failure !== undefined && failure !== '')
    throw new ExitError(125, `Error waiting for container: ${messageOf(failure)}`);
  return result.StatusCode;
}
