import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  assertUnchanged,
  type Engine,
  eventually,
  RawApi,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';
import { stopChild } from '../support/lan.ts';
import type { TrafficReport } from './programs/traffic.ts';

// FAIRWAY_SOAK_CONTAINERS, _PORTS and _NETWORKS make it the long version (200, 300 and 100).
const CONTAINERS = Number(process.env.FAIRWAY_SOAK_CONTAINERS ?? 6);
const PORTS = Number(process.env.FAIRWAY_SOAK_PORTS ?? 30);
const NETWORKS = Number(process.env.FAIRWAY_SOAK_NETWORKS ?? 3);
const TRAFFIC = fileURLToPath(new URL('programs/traffic.ts', import.meta.url));
const TARGET = 7000;

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** The program in the network namespace of a process, and its first word heard. */
async function traffic(
  netns: number | string,
  ...args: string[]
): Promise<ChildProcess & { report(): Promise<TrafficReport> }> {
  const child = spawn('nsenter', [`--net=/proc/${netns}/ns/net`, process.execPath, TRAFFIC, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
  });
  await once(child.stdout, 'data');
  const report = async (): Promise<TrafficReport> => {
    child.stdin.end();
    if (child.exitCode === null) await once(child, 'close');
    return JSON.parse(output.slice(output.indexOf('\n') + 1)) as TrafficReport;
  };
  return Object.assign(child, { report });
}

/** The first answer counts, and it must be whole. Times in ms since the call. */
async function started(): Promise<{ readonly answered: number; readonly reconciled: number }> {
  const api = new RawApi(engine.daemon.socket);
  const start = performance.now();
  const since = (): number => Math.round(performance.now() - start);
  const starting = engine.daemon.start();
  const { body } = await eventually(() => api.call('GET', '/containers/json'), undefined, 2);
  const answered = since();
  const containers = body as { readonly State: string; readonly Ports: readonly unknown[] }[];
  assert.equal(containers.length, CONTAINERS);
  assert.deepEqual(new Set(containers.map(({ State }) => State)), new Set(['running']));
  assert.ok(containers.every(({ Ports }) => Ports.length > 0));
  await eventually(
    async () => assert.deepEqual((await api.call('GET', '/fairway/verify')).body, { Drift: [] }),
    undefined,
    2,
  );
  const reconciled = since();
  await starting;
  return { answered, reconciled };
}

describe(`${CONTAINERS} containers on ${NETWORKS} networks and ${PORTS} published ports`, () => {
  test('lose no packet while the daemon is killed, stopped and started', async (t) => {
    const { docker, daemon, host, lan } = engine;
    const networks = Array.from({ length: NETWORKS }, (_, index) => (index === 0 ? 'net' : `net${index}`));
    for (const [index, name] of networks.entries()) {
      await docker('network', 'create', '--subnet', `10.200.${index}.0/24`, name);
    }
    const perContainer = Math.ceil(PORTS / CONTAINERS);
    const names = Array.from({ length: CONTAINERS }, (_, index) => `c${index}`);
    for (const [index, name] of names.entries()) {
      const first = 20_000 + index * perContainer;
      const ports = ['-p', `${first}-${first + perContainer - 1}:${TARGET}-${TARGET + perContainer - 1}`];
      const network = index < 2 ? 'net' : (networks[index % NETWORKS] ?? '');
      await docker('run', '-d', '--name', name, '--network', network, ...ports, 'busybox', 'sleep', '3600');
    }
    const pidOf = (name: string): Promise<string> => docker('inspect', '-f', '{{.State.Pid}}', name);
    const addressOf = (name: string): Promise<string> =>
      docker('inspect', '-f', '{{.NetworkSettings.Networks.net.IPAddress}}', name);
    const [one, two] = [await pidOf('c0'), await pidOf('c1')];
    const server = await traffic(one, 'serve', String(TARGET));
    const address = await addressOf('c0');
    const streams = {
      'requests to the published port from the LAN': await traffic(lan.pid, 'ask', host.address, '20000'),
      'a held connection through the published port': await traffic(lan.pid, 'hold', host.address, '20000'),
      'requests between containers': await traffic(two, 'ask', address, String(TARGET)),
      'a held connection between containers': await traffic(two, 'hold', address, String(TARGET)),
    };
    const begun = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 500));
    try {
      for (const how of ['killed', 'stopped'] as const) {
        await begun();
        if (how === 'killed') await daemon.killHard();
        else await daemon.stop();
        await begun();
        const { answered, reconciled } = await started();
        t.diagnostic(`${how}: containers listed after ${answered} ms, nothing to reconcile after ${reconciled} ms`);
      }
      await begun();
      for (const [name, stream] of Object.entries(streams)) {
        const report = await stream.report();
        t.diagnostic(`${name}: ${report.answered} answered, longest gap ${report.longestGapMs} ms`);
        assert.deepEqual(report.failures, [], name);
        assert.ok(report.answered > 50, `${name}: ${report.answered}`);
      }
    } finally {
      for (const child of [server, ...Object.values(streams)]) await stopChild(child);
    }
    await docker('rm', '-f', ...names);
    await docker('network', 'rm', ...networks);
    await assertUnchanged(host, clean);
  });
});
