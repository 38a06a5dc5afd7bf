import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { newId, parseIp } from '../../base/index.ts';
import type { ContainerView } from '../../containers/contract.ts';
import { fakeView } from '../testing/index.ts';
import { CreateBody, parseCreate } from '../wire/index.ts';
import { encodeContainer, encodeSummary } from './container.ts';
import { encodeEvent } from './event.ts';
import { humanDuration, statusText } from './human.ts';

function viewOf(body: object, changes: Partial<ContainerView> = {}): ContainerView {
  const { spec, networks } = parseCreate(v.parse(CreateBody, { Image: 'busybox', ...body }), { version: 51 });
  return { ...fakeView('c', spec, networks), ...changes };
}

const OPTIONS = { version: 51, storageDriver: 'overlayfs', loggingDriver: 'json-file' };

test('lengths of time are told in words as rough as Docker tells them', () => {
  const cases: readonly [number, string][] = [
    [0, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [300, '5 minutes'],
    [3599, '59 minutes'],
    [3600, 'About an hour'],
    [7200, '2 hours'],
    [2 * 86_400, '2 days'],
    [14 * 86_400, '2 weeks'],
    [61 * 86_400, '2 months'],
    [731 * 86_400, '2 years'],
  ];
  for (const [seconds, words] of cases) assert.equal(humanDuration(seconds * 1000), words);
});

test('the status tells state, time, exit code and health', () => {
  const now = Date.parse('2026-01-01T01:00:00Z');
  const base = {
    pid: 1,
    exitCode: 3,
    error: '',
    oomKilled: false,
    startedAt: '2026-01-01T00:55:00Z',
    finishedAt: '2026-01-01T00:59:57Z',
    restartCount: 0,
  };
  const health = { status: 'healthy' as const, failingStreak: 0, log: [] };
  assert.equal(statusText({ ...base, status: 'running' }, now), 'Up 5 minutes');
  assert.equal(statusText({ ...base, status: 'running', health }, now), 'Up 5 minutes (healthy)');
  assert.equal(
    statusText({ ...base, status: 'running', health: { ...health, status: 'starting' } }, now),
    'Up 5 minutes (health: starting)',
  );
  assert.equal(statusText({ ...base, status: 'paused' }, now), 'Up 5 minutes (Paused)');
  assert.equal(statusText({ ...base, status: 'exited' }, now), 'Exited (3) 3 seconds ago');
  assert.equal(statusText({ ...base, status: 'restarting' }, now), 'Restarting (3) 3 seconds ago');
  assert.equal(statusText({ ...base, status: 'created' }, now), 'Created');
  assert.equal(statusText({ ...base, status: 'dead' }, now), 'Dead');
});

test('ports are published, exposed only, or nothing while the container does not run', () => {
  const body = { ExposedPorts: { '81/udp': {} }, HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } } };
  const stopped = viewOf(body);
  assert.deepEqual(encodeContainer(stopped, OPTIONS).NetworkSettings.Ports, {});
  assert.deepEqual(encodeContainer(stopped, OPTIONS).HostConfig.PortBindings, {
    '80/tcp': [{ HostIp: '', HostPort: '8080' }],
  });
  const running = viewOf(body, {
    sandbox: {
      id: newId(),
      ownerId: stopped.id,
      path: '/run/netns/x',
      host: false,
      ports: { requested: [], exposed: [], published: [] },
      dns: { servers: [], search: [], options: [] },
    },
    published: [
      { protocol: 'tcp', containerPort: 80, hostIp: parseIp('0.0.0.0'), hostPort: 8080 },
      { protocol: 'tcp', containerPort: 80, hostIp: parseIp('::'), hostPort: 8080 },
    ],
  });
  assert.deepEqual(encodeContainer(running, OPTIONS).NetworkSettings.Ports, {
    '80/tcp': [
      { HostIp: '0.0.0.0', HostPort: '8080' },
      { HostIp: '::', HostPort: '8080' },
    ],
    '81/udp': null,
  });
  assert.deepEqual(encodeSummary(running, { version: 51, nowMs: 0 }).Ports, [
    { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
    { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
    { PrivatePort: 81, Type: 'udp' },
  ]);
});

test('what create was told comes back in HostConfig', () => {
  const HostConfig = {
    Binds: ['/a:/b:ro'],
    Mounts: [{ Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 5, Mode: 0o700 } }],
    RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 },
    Memory: 8_388_608,
    CapAdd: ['NET_ADMIN'],
    Dns: ['10.0.0.1'],
    ExtraHosts: ['a:host-gateway'],
    Sysctls: { 'net.ipv4.ip_forward': '1' },
    Init: true,
  };
  const encoded: Readonly<Record<string, unknown>> = encodeContainer(viewOf({ HostConfig }), OPTIONS).HostConfig;
  const shown = Object.fromEntries(Object.keys(HostConfig).map((key) => [key, encoded[key]]));
  assert.deepEqual(shown, HostConfig);
});

test("an event's nanoseconds keep every digit", () => {
  const line = encodeEvent({
    type: 'container',
    action: 'die',
    id: 'x',
    attributes: { image: 'busybox', name: 'c' },
    scope: 'local',
    timeNanos: 1_700_000_000_123_456_789n,
  });
  assert.equal(
    line,
    '{"status":"die","id":"x","from":"busybox","Type":"container","Action":"die","Actor":{"ID":"x",' +
      '"Attributes":{"image":"busybox","name":"c"}},"scope":"local","time":1700000000,"timeNano":1700000000123456789}\n',
  );
});
