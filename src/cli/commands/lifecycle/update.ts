import { forEachName } from '../../actions/index.ts';
import { type Command, type Flags, integer, text, warn } from '../../grammar/index.ts';
import { parseBytes, parseCpus, parseRestart, parseSwap } from '../../values/index.ts';

const bytes = { placeholder: 'bytes', check: parseBytes };

export const update: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  flags: [
    integer('blkio-weight', 'Block IO (relative weight), between 10 and 1000, or 0 to disable', {
      shownDefault: '0',
      placeholder: 'uint16',
    }),
    integer('cpu-period', 'Limit CPU CFS (Completely Fair Scheduler) period'),
    integer('cpu-quota', 'Limit CPU CFS (Completely Fair Scheduler) quota'),
    integer('cpu-rt-period', 'Limit the CPU real-time period in microseconds'),
    integer('cpu-rt-runtime', 'Limit the CPU real-time runtime in microseconds'),
    integer('cpu-shares,c', 'CPU shares (relative weight)'),
    text('cpus', 'Number of CPUs', { placeholder: 'decimal', check: parseCpus }),
    text('cpuset-cpus', 'CPUs in which to allow execution (0-3, 0,1)'),
    text('cpuset-mems', 'MEMs in which to allow execution (0-3, 0,1)'),
    text('memory,m', 'Memory limit', bytes),
    text('memory-reservation', 'Memory soft limit', bytes),
    text('memory-swap', 'Swap limit equal to memory plus swap: -1 to enable unlimited swap', {
      placeholder: 'bytes',
      check: parseSwap,
    }),
    integer('pids-limit', 'Tune container pids limit (set -1 for unlimited)'),
    text('restart', 'Restart policy to apply when a container exits'),
  ],
  completes: ['containers'],
  run(context, flags, args) {
    const body = updateBody(flags);
    if (Object.keys(body).length === 0) {
      throw new Error('you must provide one or more flags when using this command.');
    }
    return forEachName(context, args, async (name) => {
      const answer = await context.client.containers.update(name, body);
      for (const warning of answer.Warnings ?? []) warn(context, warning);
      return name;
    });
  },
};

const NUMBERS = {
  'blkio-weight': 'BlkioWeight',
  'cpu-period': 'CpuPeriod',
  'cpu-quota': 'CpuQuota',
  'cpu-rt-period': 'CpuRealtimePeriod',
  'cpu-rt-runtime': 'CpuRealtimeRuntime',
  'cpu-shares': 'CpuShares',
  'pids-limit': 'PidsLimit',
} as const;

function updateBody(flags: Flags): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [flag, field] of Object.entries(NUMBERS)) {
    if (flags.given(flag)) body[field] = flags.integer(flag);
  }
  if (flags.given('cpus')) body.NanoCpus = parseCpus(flags.text('cpus'));
  if (flags.given('cpuset-cpus')) body.CpusetCpus = flags.text('cpuset-cpus');
  if (flags.given('cpuset-mems')) body.CpusetMems = flags.text('cpuset-mems');
  if (flags.given('memory')) body.Memory = parseBytes(flags.text('memory'));
  if (flags.given('memory-reservation')) body.MemoryReservation = parseBytes(flags.text('memory-reservation'));
  if (flags.given('memory-swap')) body.MemorySwap = parseSwap(flags.text('memory-swap'));
  if (flags.given('restart')) body.RestartPolicy = parseRestart(flags.text('restart'));
  return body;
}
