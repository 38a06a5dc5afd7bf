import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readLimitAbilities, verifyResources } from '../../src/containers/limits/index.ts';
import type { ResourceOptions } from '../../src/containers/options.ts';
import { CREATED } from '../../src/containers/records/index.ts';
import { buildSpec, readHostFacts } from '../../src/containers/spec/index.ts';
import { specOf } from '../../src/containers/testing/index.ts';

const ROOT = '/sys/fs/cgroup';
const CONTROLLERS = ['cpu', 'cpuset', 'io', 'memory', 'pids'];

let folder: string;

/** A machine whose only control groups are those of version 2, as Debian boots. */
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'fwt-'));
  execFileSync('mount', ['-t', 'cgroup2', 'none', ROOT]);
  writeFileSync(join(ROOT, 'cgroup.subtree_control'), CONTROLLERS.map((name) => `+${name}`).join(' '));
  // As on every machine, we are not in the root group.
  mkdirSync(join(ROOT, 'daemon'));
  writeFileSync(join(ROOT, 'daemon/cgroup.procs'), String(process.pid));
});
after(() => {
  writeFileSync(join(ROOT, 'cgroup.procs'), String(process.pid));
  execFileSync('umount', [ROOT]);
  rmSync(folder, { recursive: true });
});

/** A container of busybox with these limits, as the engine describes it to runc. */
function bundle(name: string, resources: Partial<ResourceOptions>, script: string): string {
  const path = join(folder, name);
  const bin = join(path, 'rootfs/bin');
  mkdirSync(bin, { recursive: true });
  for (const at of ['proc', 'sys', 'dev', 'etc']) mkdirSync(join(path, 'rootfs', at));
  copyFileSync('/bin/busybox', join(bin, 'busybox'));
  for (const applet of ['sh', 'sleep', 'cat', 'dd', 'ls']) symlinkSync('busybox', join(bin, applet));
  const base = specOf({});
  const { resources: verified } = verifyResources(
    { ...base.resources, ...resources },
    {
      abilities: readLimitAbilities(),
      update: false,
    },
  );
  const spec = buildSpec({
    record: {
      version: 1,
      id: 'a'.repeat(64) as Parameters<typeof buildSpec>[0]['record']['id'],
      name,
      created: '',
      spec: { ...base, resources: verified },
      imageId: '',
      effective: {
        entrypoint: ['sh', '-c'],
        cmd: [script],
        env: [],
        workdir: '',
        user: '',
        hostname: name,
        labels: {},
        exposed: [],
        volumes: [],
      },
      networks: [],
      mounts: [],
      state: CREATED,
      stoppedByUser: false,
      anonymousVolumes: [],
    },
    rootfs: [],
    netns: null,
    files: [],
    join: {},
    extraEnv: [],
    mounts: [],
    cgroupsPath: `/fairway/${name}`,
    facts: readHostFacts(),
    defaultUlimits: [],
  }) as { readonly linux: object };
  // Without the pivot runc takes this propagation alone.
  const linux = { ...spec.linux, rootfsPropagation: 'rslave' };
  writeFileSync(join(path, 'config.json'), JSON.stringify({ ...spec, linux }));
  return path;
}

/** The first file system of the guest cannot be pivoted away from. */
function runc(...args: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync('runc', ['--root', join(folder, 'runc'), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function start(name: string, resources: Partial<ResourceOptions>, script: string): (file: string) => string {
  const args = ['run', '-d', '--no-pivot', '--bundle', bundle(name, resources, script), name];
  const started = spawnSync('runc', ['--root', join(folder, 'runc'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  assert.equal(started.status, 0);
  return (file) => readFileSync(join(ROOT, 'fairway', name, file), 'utf8').trim();
}

describe('a machine with control groups of version 2 alone', () => {
  it('is known as one, with all that it can limit', () => {
    assert.equal(readHostFacts().cgroupVersion, 2);
    const can = readLimitAbilities();
    assert.deepEqual(
      Object.entries(can)
        .filter(([, value]) => value === false)
        .map(([name]) => name)
        .sort(),
      // Version 2 has none of these.
      ['cpuRealtime', 'memorySwappiness', 'oomKillDisable'],
    );
    assert.equal(can.cpus, '0-1');
  });

  it('enforces the limits of a container, and their change', () => {
    const file = start(
      'limited',
      {
        memory: 32 << 20,
        memorySwap: 40 << 20,
        memoryReservation: 16 << 20,
        cpuShares: 512,
        nanoCpus: 5e8,
        cpusetCpus: '0',
        pidsLimit: 77,
        blkioWeight: 300,
      },
      'sleep 600',
    );
    assert.deepEqual(
      Object.fromEntries(
        [
          'memory.max',
          'memory.swap.max',
          'memory.low',
          'cpu.weight',
          'cpu.max',
          'cpuset.cpus',
          'pids.max',
          'io.weight',
        ].map((name) => [name, file(name)]),
      ),
      {
        'memory.max': '33554432',
        'memory.swap.max': '8388608',
        'memory.low': '16777216',
        'cpu.weight': '20',
        'cpu.max': '50000 100000',
        'cpuset.cpus': '0',
        'pids.max': '77',
        // runc's 10 to 1000 become 1 to 10000.
        'io.weight': 'default 2930',
      },
    );
    assert.equal(
      runc('update', '--pids-limit', '88', '--memory', '50331648', '--memory-swap', '50331648', 'limited').status,
      0,
    );
    assert.deepEqual([file('pids.max'), file('memory.max'), file('memory.swap.max')], ['88', '50331648', '0']);
    // A namespace of its own: the container is the root of what it sees, and cannot write there.
    const inside = runc(
      'exec',
      'limited',
      'sh',
      '-c',
      'cat /proc/self/cgroup; ls /sys/fs/cgroup/memory.max; echo 1 >/sys/fs/cgroup/pids.max',
    );
    assert.match(inside.stdout, /^0::\/\n\/sys\/fs\/cgroup\/memory\.max\n$/, inside.stderr);
    assert.match(inside.stderr, /Read-only file system/);
    assert.equal(runc('delete', '-f', 'limited').status, 0);
  });

  it('kills what takes more memory than it may, and says so', () => {
    const path = bundle(
      'greedy',
      { memory: 16 << 20 },
      'dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?; cat /sys/fs/cgroup/memory.events',
    );
    const ended = runc('run', '--no-pivot', '--bundle', path, 'greedy');
    assert.match(ended.stdout, /^137$/m, ended.stderr);
    assert.match(ended.stdout, /^oom_kill 1$/m);
  });

  it('lets a container have no more processes than it may', () => {
    const path = bundle('many', { pidsLimit: 3 }, 'sleep 5 & sleep 5 & sleep 5 & sleep 5 & echo never');
    const ended = runc('run', '--no-pivot', '--bundle', path, 'many');
    assert.match(ended.stderr, /can't fork/);
    assert.doesNotMatch(ended.stdout, /never/);
  });
});
