import type { StatsSample } from '../../../client/index.ts';
import { LIST_FORMAT } from '../../actions/index.ts';
import { binarySize, humanSize, listing, type Row } from '../../format/index.ts';
import { bool, type Command, type Context, type Flags } from '../../grammar/index.ts';

const HEADS = {
  ID: 'CONTAINER ID',
  Container: 'CONTAINER',
  Name: 'NAME',
  CPUPerc: 'CPU %',
  MemUsage: 'MEM USAGE / LIMIT',
  MemPerc: 'MEM %',
  NetIO: 'NET I/O',
  BlockIO: 'BLOCK I/O',
  PIDs: 'PIDS',
};

const TABLE = '{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}';

const CLEAR = '\x1b[H\x1b[J';

export const stats: Command = {
  usage: '[OPTIONS] [CONTAINER...]',
  args: { min: 0 },
  flags: [
    bool('all,a', 'Show all containers (default shows just running)'),
    LIST_FORMAT,
    bool('no-stream', 'Disable streaming stats and only pull the first result'),
    bool('no-trunc', 'Do not truncate output'),
  ],
  completes: ['running'],
  async run(context, flags, args) {
    const names = args.length > 0 ? args : await listed(context, flags);
    if (flags.bool('no-stream')) {
      const latest = new Map<string, StatsSample>();
      await Promise.all(names.map((name) => watch(context, { name, stream: false, latest })));
      show(context, flags, { names, latest });
      return 0;
    }
    return await live(context, flags, names);
  },
};

async function listed(context: Context, flags: Flags): Promise<string[]> {
  const found = await context.client.containers.list({ all: flags.bool('all') });
  return found.map((one) => one.Id);
}

interface Watch {
  readonly name: string;
  readonly stream: boolean;
  readonly latest: Map<string, StatsSample>;
  readonly onSample?: () => void;
}

async function watch(context: Context, what: Watch): Promise<void> {
  for await (const sample of context.client.containers.stats(what.name, { stream: what.stream })) {
    what.latest.set(what.name, sample);
    what.onSample?.();
  }
}

/** Draws anew whenever a second has gone by since the last picture, until every stream has ended. */
async function live(context: Context, flags: Flags, names: readonly string[]): Promise<number> {
  const latest = new Map<string, StatsSample>();
  let drawn = 0;
  const onSample = (): void => {
    if (context.now() - drawn < 900) return;
    drawn = context.now();
    if (context.stdout.isTTY === true) context.stdout.write(CLEAR);
    show(context, flags, { names, latest });
  };
  await Promise.all(names.map((name) => watch(context, { name, stream: true, latest, onSample })));
  return 0;
}

function show(
  context: Context,
  flags: Flags,
  what: { names: readonly string[]; latest: ReadonlyMap<string, StatsSample> },
): void {
  const rows = what.names.map((name) => rowOf(name, what.latest.get(name), flags.bool('no-trunc')));
  context.stdout.write(listing(rows, { format: flags.text('format'), table: TABLE, heads: HEADS }));
}

function rowOf(name: string, sample: StatsSample | undefined, full: boolean): Row {
  const id = sample?.id ?? name;
  const unknown = sample === undefined;
  const used = memoryUsed(sample);
  const limit = sample?.memory_stats.limit ?? 0;
  const percent = (value: number): string => (unknown ? '--' : `${value.toFixed(2)}%`);
  return {
    ID: () => (full ? id : id.slice(0, 12)),
    Container: () => name,
    Name: () => (sample?.name ?? '--').replace(/^\//, ''),
    CPUPerc: () => percent(cpuPercent(sample)),
    MemUsage: () => (unknown ? '-- / --' : `${binarySize(used)} / ${binarySize(limit)}`),
    MemPerc: () => percent(limit === 0 ? 0 : (used / limit) * 100),
    NetIO: () => (unknown ? '--' : networkText(sample)),
    BlockIO: () => (unknown ? '--' : blockText(sample)),
    PIDs: () => (unknown ? '--' : String(sample.pids_stats?.current ?? 0)),
  };
}

/** What the page cache could give back at once does not count. */
function memoryUsed(sample: StatsSample | undefined): number {
  const usage = sample?.memory_stats.usage ?? 0;
  const idle = sample?.memory_stats.stats?.total_inactive_file ?? sample?.memory_stats.stats?.inactive_file ?? 0;
  return idle < usage ? usage - idle : usage;
}

function cpuPercent(sample: StatsSample | undefined): number {
  if (sample === undefined) return 0;
  const { cpu_stats: now, precpu_stats: before } = sample;
  const own = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const all = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus ?? now.cpu_usage.percpu_usage?.length ?? 1;
  return own > 0 && all > 0 ? (own / all) * cpus * 100 : 0;
}

function networkText(sample: StatsSample): string {
  const links = Object.values(sample.networks ?? {});
  const total = (pick: (link: { rx_bytes: number; tx_bytes: number }) => number): number =>
    links.reduce((sum, link) => sum + pick(link), 0);
  return `${humanSize(total((link) => link.rx_bytes))} / ${humanSize(total((link) => link.tx_bytes))}`;
}

function blockText(sample: StatsSample): string {
  const entries = sample.blkio_stats?.io_service_bytes_recursive ?? [];
  const total = (kind: string): number =>
    entries.filter(({ op }) => op.toLowerCase() === kind).reduce((sum, { value }) => sum + value, 0);
  return `${humanSize(total('read'))} / ${humanSize(total('write'))}`;
}
