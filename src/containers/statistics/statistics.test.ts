import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseNetDev, systemCpu } from './sampler.ts';
import { topOf } from './top.ts';

describe('statistics', () => {
  it('count processors and their time', () => {
    const stat = 'cpu  10 1 5 100 2 0 1 0 7 7\ncpu0 5 0 2 50 1 0 0 0 0 0\ncpu1 5 1 3 50 1 0 1 0 0 0\nintr 1\n';
    assert.deepEqual(systemCpu(stat), { nanos: 1_190_000_000n, cpus: 2 });
  });

  it('count bytes and packets of interfaces', () => {
    const text =
      'Inter-|   Receive\n face |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 100 2 3 4 0 0 0 0 500 6 7 8 0 0 0 0\n';
    assert.deepEqual(parseNetDev(text), {
      eth0: {
        rxBytes: 100n,
        rxPackets: 2n,
        rxErrors: 3n,
        rxDropped: 4n,
        txBytes: 500n,
        txPackets: 6n,
        txErrors: 7n,
        txDropped: 8n,
      },
    });
  });

  it('show processes in the columns that ps has', () => {
    const table = topOf([process.pid], '-o pid,comm');
    assert.deepEqual(table.titles, ['PID', 'COMMAND']);
    assert.equal(table.processes[0]?.[0], String(process.pid));
    assert.equal(topOf([process.pid]).titles.length, 8);
    assert.equal(topOf([process.pid], 'aux').titles.at(-1), 'COMMAND');
    assert.throws(() => topOf([], '-o nonsense'), {
      message: 'error: unknown user-defined format specifier "nonsense"',
    });
    assert.throws(() => topOf([], '--nope'), { message: 'unsupported ps arguments: --nope' });
  });
});
