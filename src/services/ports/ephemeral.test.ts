import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { portsFrom, readEphemeralPorts } from './ephemeral.ts';

describe('ephemeral ports', () => {
  it('are what the kernel uses itself, without the reserved ones', () => {
    const files: Record<string, string> = {
      'net.ipv4.ip_local_port_range': '32768\t60999',
      'net.ipv4.ip_local_reserved_ports': '33000,40000-40002',
    };
    const ports = readEphemeralPorts((key) => files[key] ?? '');
    assert.deepEqual(ports, {
      first: 32_768,
      last: 60_999,
      reserved: [
        { first: 33_000, last: 33_000 },
        { first: 40_000, last: 40_002 },
      ],
    });
    const all = [...portsFrom(ports, 40_000)];
    assert.equal(all.length, 60_999 - 32_768 + 1 - 4);
    assert.deepEqual([all[0], all.at(-1), new Set(all).size], [40_003, 39_999, all.length]);
  });

  it('are refused when they cannot be read', () => {
    assert.throws(() => readEphemeralPorts(() => ''), /cannot read ip_local_port_range/);
  });
});
