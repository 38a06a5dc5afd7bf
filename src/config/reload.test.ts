import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inheritedSockets } from './environment.ts';
import { reloadConfig } from './load.ts';
import { compareConfigs, reloadAttributes } from './reload.ts';

const config = (...args: string[]) => reloadConfig(['--config-file', '/dev/null', ...args]);

test('a reload tells what changes now from what waits for a restart', () => {
  const change = compareConfigs(config(), config('--debug', '--label', 'a=b', '--mtu', '1400', '--data-root', '/d'));
  assert.deepEqual(change.reloadable, ['debug', 'logLevel', 'labels']);
  assert.deepEqual(change.afterRestart, ['dataRoot', 'network']);
  assert.deepEqual(compareConfigs(config(), config()), { reloadable: [], afterRestart: [] });
});

test("the reload event speaks dockerd's names", () => {
  const attributes = reloadAttributes(config('--label', 'a=b', '--insecure-registry', 'r:5000'));
  assert.equal(attributes.labels, '["a=b"]');
  assert.equal(attributes['insecure-registries'], '["r:5000"]');
  assert.equal(attributes.debug, 'false');
});

test('sockets of systemd are ours only when they name our process', () => {
  assert.deepEqual(inheritedSockets({ LISTEN_PID: '7', LISTEN_FDS: '2' }, 7), [3, 4]);
  assert.deepEqual(inheritedSockets({ LISTEN_PID: '8', LISTEN_FDS: '2' }, 7), []);
  assert.deepEqual(inheritedSockets({}, 7), []);
});
