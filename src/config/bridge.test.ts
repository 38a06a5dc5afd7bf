import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultBridgePools } from './bridge.ts';
import { reloadConfig } from './load.ts';

const pools = (...args: string[]) => defaultBridgePools(reloadConfig(['--config-file', '/dev/null', ...args]).network);

test('the default network has the addresses that the flags give, and none when they give none', () => {
  assert.deepEqual(pools(), []);
  assert.deepEqual(pools('--bip', '10.70.0.1/24'), [{ subnet: { ip: '10.70.0.0', prefix: 24 }, gateway: '10.70.0.1' }]);
  assert.deepEqual(
    pools('--bip', '10.70.0.1/24', '--fixed-cidr', '10.70.0.128/25', '--default-gateway', '10.70.0.254'),
    [
      {
        subnet: { ip: '10.70.0.0', prefix: 24 },
        gateway: '10.70.0.1',
        ipRange: { ip: '10.70.0.128', prefix: 25 },
        auxiliary: { DefaultGatewayIPv4: '10.70.0.254' },
      },
    ],
  );
  assert.deepEqual(pools('--ipv6', '--fixed-cidr-v6', 'fd00:1::/64'), [{ subnet: { ip: 'fd00:1::', prefix: 64 } }]);
  assert.deepEqual(pools('--fixed-cidr-v6', 'fd00:1::/64'), []);
});
