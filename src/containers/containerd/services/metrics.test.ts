import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Schema } from '../wire/index.ts';
import { decodeMetrics } from './metrics.ts';

describe('metrics of a task', () => {
  it('are read from cgroup v1', async () => {
    const schema = await Schema.load();
    const value = schema.encode('cgroups.MetricsV1', {
      pids: { current: 2, limit: 100 },
      cpu: { usage: { total: 30, kernel: 10, user: 20, perCpu: [14, 16] }, throttling: { periods: 1 } },
      memory: { rss: 5, totalInactiveFile: 7, usage: { usage: 11, max: 12, limit: '9223372036854771712' } },
      blkio: { ioServiceBytesRecursive: [{ op: 'Read', major: 8, minor: 1, value: 4096 }] },
    });
    const metrics = decodeMetrics(schema, { typeUrl: 'io.containerd.cgroups.v1.Metrics', value }, 1n);
    assert.equal(metrics?.cgroup, 1);
    assert.deepEqual(metrics?.pids, { current: 2n, limit: 100n });
    assert.deepEqual(metrics?.cpu.perCpuNanos, [14n, 16n]);
    assert.equal(metrics?.memory.limit, 9223372036854771712n);
    assert.equal(metrics?.memory.inactiveFile, 7n);
    assert.equal(metrics?.memory.stats.rss, 5n);
    assert.deepEqual(metrics?.blkio.bytes, [{ op: 'Read', major: 8, minor: 1, value: 4096n }]);
    assert.equal(metrics?.oomKills, 0n);
  });

  it('are read from cgroup v2 in the same units', async () => {
    const schema = await Schema.load();
    const value = schema.encode('cgroups.MetricsV2', {
      cpu: { usageUsec: 5, userUsec: 3, systemUsec: 2 },
      memory: { usage: 11, usageLimit: 12, inactiveFile: 3 },
      io: { usage: [{ major: 8, minor: 0, rbytes: 1, wbytes: 2, rios: 3, wios: 4 }] },
    });
    const metrics = decodeMetrics(schema, { typeUrl: 'io.containerd.cgroups.v2.Metrics', value }, 1n);
    assert.equal(metrics?.cpu.totalNanos, 5000n);
    assert.equal(metrics?.memory.stats.inactive_file, 3n);
    assert.deepEqual(
      metrics?.blkio.operations.map(({ op, value: count }) => [op, count]),
      [
        ['read', 3n],
        ['write', 4n],
      ],
    );
  });

  it('are nothing when another runtime reports them', async () => {
    const schema = await Schema.load();
    assert.equal(decodeMetrics(schema, { typeUrl: 'x.Metrics', value: Buffer.alloc(0) }, 1n), null);
  });
});
