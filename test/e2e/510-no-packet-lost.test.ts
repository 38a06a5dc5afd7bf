import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertUnchanged, type Engine, eventually, type Snapshot, snapshot, startEngine } from '../support/index.ts';
import { stopChild } from '../support/lan.ts';
import type { TrafficReport } from './programs/traffic.ts';

// FAIRWAY_SOAK_CONTAINERS and FAIRWAY_SOAK_PORTS make it the long version (200 and 300).
const CONTAINERS = Number(process.env.FAIRWAY_SOAK_CONTAINERS ?? 6);
const PORTS = Number(process.env.FAIRWAY_SOAK_PORTS ?? 30);
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

describe(`${CONTAINERS} containers and ${PORTS} published ports`, () => {
  test('lose no packet while the daemon is killed, stopped and started', async (t) => {
    const { docker, daemon, host, lan } = engine;
    await docker('network', 'create', 'net');
    const perContainer = Math.ceil(PORTS / CONTAINERS);
    const names = Array.from({ length: CONTAINERS }, (_, index) => `c${index}`);
    for (const [index, name] of names.entries()) {
      const first = 20_000 + index * perContainer;
      const ports = ['-p', `${first}-${first + perContainer - 1}:${TARGET}-${TARGET + perContainer - 1}`];
      await docker('run', '-d', '--name', name, '--network', 'net', ...ports, 'busybox', 'sleep', '3600');
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
        const start = performance.now();
        await daemon.start();
        const answered = performance.now() - start;
        await eventually(async () => assert.equal((await engine.fairway.run(['verify'])).code, 0));
        const reconciled = performance.now() - start;
        t.diagnostic(`${how}: API after ${Math.round(answered)} ms, verified after ${Math.round(reconciled)} ms`);
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
    await docker('network', 'rm', 'net');
    await assertUnchanged(host, clean);
  });
});
