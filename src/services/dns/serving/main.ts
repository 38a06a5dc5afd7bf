// The resolver's process. Its daemon tells it everything, passes it the sockets of sandboxes, and may go: it serves on,
// until a later daemon's resolver takes the sockets over.
import { flushCompileCache } from 'node:module';
import { Socket } from 'node:net';
import { type Ip, messageOf, parseIp } from '../../../base/index.ts';
import {
  giveBackMemory,
  holdPort,
  openConnectedUdpSocketIn,
  openNetns,
  raisePriority,
  startThreadPool,
  takeDescriptors,
} from '../../../kernel/index.ts';
import type { Dialler } from '../forwarding/index.ts';
import { HostServers } from '../host-servers.ts';
import { endPredecessor, offerSockets } from './handover.ts';
import { LineReader } from './lines.ts';
import type { FromResolver, ResolverProcessOptions, ServerSockets, ToResolver } from './protocol.ts';
import { Sandboxes } from './sandboxes.ts';

const CONTROL_FD = 3;
const PASSING_FD = 4;
/** Answers are short and waited for, and cost less than asking; the work of others can wait. */
const NICE = -15;
/** After it has been succeeded: what it awaits has come or failed by then. */
const LAST_WORDS_MS = 20_000;
const ANY: Readonly<Record<4 | 6, Ip>> = { 4: parseIp('0.0.0.0'), 6: parseIp('::') };

function run(options: ResolverProcessOptions): void {
  const sandboxes = new Sandboxes(
    { openIn },
    {
      ...(options.upstreamPort !== undefined && { port: options.upstreamPort }),
      ...(options.upstreamTimeoutMs !== undefined && { timeoutMs: options.upstreamTimeoutMs }),
    },
  );
  const control = new Socket({ fd: CONTROL_FD });
  let begun = false;
  let succeeded = false;
  let followed: HostServers | undefined;
  const handover =
    options.handoverFolder === undefined
      ? undefined
      : offerSockets(sandboxes, options.handoverFolder, () => {
          succeeded = true;
          sandboxes.end();
          followed?.close();
          handover?.close();
          control.destroy();
          setTimeout(() => process.exit(0), LAST_WORDS_MS).unref();
        });

  const begin = async (predecessors: readonly string[]): Promise<void> => {
    begun = true;
    for (const path of predecessors) await endPredecessor(path);
    sandboxes.begin();
  };
  const apply = async (message: ToResolver): Promise<void> => {
    if (message.op === 'begin') await begin(message.predecessors);
    else sandboxes.apply(message, message.op === 'setView' && message.namespace !== undefined ? passed() : undefined);
  };
  const hear = (line: string): void => {
    const message = JSON.parse(line) as ToResolver;
    const tell = (reply: FromResolver): boolean => !control.destroyed && control.write(`${JSON.stringify(reply)}\n`);
    apply(message).then(
      () => tell({ seq: message.seq }),
      (error: unknown) => tell({ seq: message.seq, error: messageOf(error) }),
    );
  };
  /** The daemon is gone. What it told to begin with is begun even then. */
  const orphaned = (): void => {
    if (succeeded) return;
    if (handover === undefined || sandboxes.count === 0 || !begun) {
      handover?.close();
      process.exit(0);
    }
    if (options.resolvConf === undefined) return;
    const follow = (): void => sandboxes.apply({ op: 'setHostServers', servers: followed?.current.servers ?? [] });
    followed = new HostServers(options.resolvConf);
    followed.changes.on(follow);
    follow();
  };

  const lines = new LineReader();
  control.setEncoding('utf8');
  control.on('data', (chunk: string) => {
    for (const line of lines.push(chunk)) hear(line);
  });
  control.on('error', () => {});
  control.on('close', orphaned);
}

function passed(): ServerSockets {
  const [udp, tcp] = takeDescriptors(PASSING_FD).descriptors;
  if (udp === undefined || tcp === undefined) throw new Error('the sockets were not passed');
  return { udp, tcp };
}

function openIn(sandboxPath: string): Dialler {
  return {
    udp: (ip, port) => {
      using ns = openNetns(sandboxPath);
      return openConnectedUdpSocketIn(ns, ip, port);
    },
    tcp: (family) => {
      using ns = openNetns(sandboxPath);
      return holdPort({ protocol: 'tcp', ip: ANY[family], port: 0, v6only: true, netns: ns }).release();
    },
  };
}

// Before anything else: its threads must not begin in a sandbox.
startThreadPool();
raisePriority(NICE);
// What loading has left, before anybody waits for an answer.
giveBackMemory();
run(JSON.parse(process.argv[2] ?? '{}') as ResolverProcessOptions);
// It may never end by itself, which is when this is done otherwise.
flushCompileCache();
