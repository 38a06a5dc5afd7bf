import type { DiskUsage } from '../../../client/index.ts';
import { LIST_FORMAT } from '../../actions/index.ts';
import { humanSize, listing, type Row } from '../../format/index.ts';
import { bool, type Command } from '../../grammar/index.ts';

const HEADS = { Type: 'TYPE', TotalCount: 'TOTAL', Active: 'ACTIVE', Size: 'SIZE', Reclaimable: 'RECLAIMABLE' };
const TABLE = '{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}';
const LIVE = new Set(['running', 'paused', 'restarting']);

export const df: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [LIST_FORMAT, bool('verbose,v', 'Show detailed information on space usage')],
  async run(context, flags) {
    const usage = await context.client.system.diskUsage();
    context.stdout.write(listing(rows(usage), { format: flags.text('format'), table: TABLE, heads: HEADS }));
    return 0;
  },
};

interface Line {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly size: number;
  readonly free: number;
}

function rows(usage: DiskUsage): Row[] {
  return [images(usage), containers(usage), volumes(usage), cache(usage)].map((line) => ({
    Type: () => line.type,
    TotalCount: () => String(line.total),
    Active: () => String(line.active),
    Size: () => humanSize(line.size, 4),
    Reclaimable: () =>
      line.size > 0
        ? `${humanSize(line.free, 4)} (${Math.trunc((line.free * 100) / line.size)}%)`
        : humanSize(line.free, 4),
  }));
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + Math.max(0, size), 0);
}

function images(usage: DiskUsage): Line {
  const all = usage.Images ?? [];
  const used = all.filter((image) => (image.Containers ?? 0) > 0);
  const size = usage.LayersSize ?? sum(all.map((image) => image.Size));
  const held = sum(used.map((image) => image.Size - Math.max(0, image.SharedSize ?? 0)));
  return { type: 'Images', total: all.length, active: used.length, size, free: Math.max(0, size - held) };
}

function containers(usage: DiskUsage): Line {
  const all = usage.Containers ?? [];
  const live = all.filter((container) => LIVE.has(container.State));
  const sizeOf = (list: typeof all): number => sum(list.map((container) => container.SizeRw ?? 0));
  const size = sizeOf(all);
  return { type: 'Containers', total: all.length, active: live.length, size, free: size - sizeOf(live) };
}

function volumes(usage: DiskUsage): Line {
  const all = usage.Volumes ?? [];
  const used = all.filter((volume) => (volume.UsageData?.RefCount ?? 0) > 0);
  const sizeOf = (list: typeof all): number => sum(list.map((volume) => volume.UsageData?.Size ?? 0));
  const size = sizeOf(all);
  return { type: 'Local Volumes', total: all.length, active: used.length, size, free: size - sizeOf(used) };
}

function cache(usage: DiskUsage): Line {
  const all = usage.BuildCache ?? [];
  const size = sum(all.map((entry) => entry.Size ?? 0));
  return {
    type: 'Build Cache',
    total: all.length,
    active: all.filter((entry) => entry.InUse).length,
    size,
    free: size,
  };
}
