import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  cgroupPaths,
  commandLines,
  type Engine,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

const V2 = existsSync('/sys/fs/cgroup/cgroup.controllers');

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** What the kernel says of a limit: a file of a v1 controller, or its counterpart in the one tree of v2. */
function limitOf(id: string, file: string, unified: string): string {
  const path = V2
    ? join('/sys/fs/cgroup', engine.host.cgroup, id, unified)
    : join('/sys/fs/cgroup', file.split('.')[0] ?? '', engine.host.cgroup, id, file);
  return readFileSync(path, 'utf8').trim();
}

function hasFile(file: string): boolean {
  return existsSync(join('/sys/fs/cgroup', file.split('.')[0] ?? '', file));
}

/** A disk that the kernel can be asked to throttle. */
function disk(): { readonly path: string; readonly numbers: string } {
  const name = readdirSync('/sys/block').find((one) => existsSync(join('/dev', one)));
  assert.ok(name !== undefined, 'the machine has no block device');
  return { path: `/dev/${name}`, numbers: readFileSync(`/sys/block/${name}/dev`, 'utf8').trim() };
}

interface Case {
  readonly flags: readonly string[];
  /** v1 file, its value, v2 file, its value. */
  readonly seen: readonly (readonly [string, string, string, string])[];
}

const CASES: readonly Case[] = [
  {
    flags: ['--memory', '32m', '--memory-reservation', '16m'],
    seen: [
      ['memory.limit_in_bytes', '33554432', 'memory.max', '33554432'],
      ['memory.memsw.limit_in_bytes', '67108864', 'memory.swap.max', '33554432'],
      ['memory.soft_limit_in_bytes', '16777216', 'memory.low', '16777216'],
    ],
  },
  {
    flags: ['--memory', '32m', '--memory-swap', '40m'],
    seen: [['memory.memsw.limit_in_bytes', '41943040', 'memory.swap.max', '8388608']],
  },
  {
    flags: ['--cpus', '0.5', '--cpu-shares', '512'],
    seen: [
      ['cpu.cfs_quota_us', '50000', 'cpu.max', '50000 100000'],
      ['cpu.shares', '512', 'cpu.weight', '20'],
    ],
  },
  {
    flags: ['--cpu-period', '50000', '--cpu-quota', '10000', '--cpuset-cpus', '0', '--cpuset-mems', '0'],
    seen: [
      ['cpu.cfs_period_us', '50000', 'cpu.max', '10000 50000'],
      ['cpu.cfs_quota_us', '10000', 'cpu.max', '10000 50000'],
      ['cpuset.cpus', '0', 'cpuset.cpus', '0'],
      ['cpuset.mems', '0', 'cpuset.mems', '0'],
    ],
  },
  { flags: ['--pids-limit', '77'], seen: [['pids.max', '77', 'pids.max', '77']] },
  { flags: ['--pids-limit', '-1'], seen: [['pids.max', 'max', 'pids.max', 'max']] },
];

describe('limits of resources', () => {
  for (const { flags, seen } of CASES) {
    test(`${flags.join(' ')} is what the kernel enforces`, async () => {
      for (const client of commandLines(engine)) {
        const id = await client('run', '-d', ...flags, 'busybox', 'sleep', '600');
        for (const [file, value, unified, unifiedValue] of seen) {
          // Kernels without accounting of swap have no such file, and the engine warns.
          if (!V2 && !hasFile(file)) continue;
          assert.equal(limitOf(id, file, unified), V2 ? unifiedValue : value, `${client.name} ${V2 ? unified : file}`);
        }
        await client('rm', '-f', id);
      }
      await assertUnchanged(engine.host, clean);
    });
  }

  test('rates of block devices are what the kernel enforces, and inspect shows them', async () => {
    const { path, numbers } = disk();
    const flags = ['--device-read-bps', `${path}:1mb`, '--device-write-bps', `${path}:2mb`];
    const counts = ['--device-read-iops', `${path}:300`, '--device-write-iops', `${path}:400`];
    for (const client of commandLines(engine)) {
      const id = await client('run', '-d', ...flags, ...counts, 'busybox', 'sleep', '600');
      const all = `${numbers} rbps=1048576 wbps=2097152 riops=300 wiops=400`;
      const v1: readonly [string, string][] = [
        ['blkio.throttle.read_bps_device', '1048576'],
        ['blkio.throttle.write_bps_device', '2097152'],
        ['blkio.throttle.read_iops_device', '300'],
        ['blkio.throttle.write_iops_device', '400'],
      ];
      for (const [file, value] of v1) {
        assert.equal(limitOf(id, file, 'io.max'), V2 ? all : `${numbers} ${value}`, client.name);
      }
      assert.equal(
        await client('inspect', '-f', '{{json .HostConfig.BlkioDeviceReadBps}}', id),
        JSON.stringify([{ Path: path, Rate: 1_048_576 }]),
      );
      await client('rm', '-f', id);
    }
    await assertUnchanged(engine.host, clean);
  });

  test('of a kind that the kernel lacks are dropped with a warning, and asked for here all the same', async () => {
    const { docker } = engine;
    const cases: readonly { flags: string[]; has: boolean; warning: RegExp; inspect: string; value: string }[] = [
      {
        flags: ['--blkio-weight', '300'],
        has: V2 || hasFile('blkio.weight') || hasFile('blkio.bfq.weight'),
        warning: /Your kernel does not support Block I\/O weight or the cgroup is not mounted\. Weight discarded\./,
        inspect: '{{.HostConfig.BlkioWeight}}',
        value: '300',
      },
      {
        flags: ['--memory', '32m', '--memory-swappiness', '7'],
        has: !V2,
        warning: /Your kernel does not support memory swappiness/,
        inspect: '{{.HostConfig.MemorySwappiness}}',
        value: '7',
      },
      {
        flags: ['--memory', '32m', '--oom-kill-disable'],
        has: !V2,
        warning: /Your kernel does not support OomKillDisable/,
        inspect: '{{.HostConfig.OomKillDisable}}',
        value: 'true',
      },
    ];
    for (const { flags, has, warning, inspect, value } of cases) {
      const created = await docker.run(['create', '--name', 'asked', ...flags, 'busybox', 'true']);
      assert.equal(created.code, 0, created.stderr);
      assert.equal(warning.test(created.stderr), !has, `${flags.join(' ')}: ${created.stderr}`);
      assert.equal((await docker('inspect', '-f', inspect, 'asked')) === value, has);
      await docker('start', '-a', 'asked');
      await docker('rm', 'asked');
    }
    await assertUnchanged(engine.host, clean);
  });

  test('without an enemy: the killer is off and the score set where the kernel lets us', { skip: V2 }, async () => {
    const { docker } = engine;
    const id = await docker(
      ...['run', '-d', '--memory', '32m', '--oom-kill-disable', '--memory-swappiness', '9', '--oom-score-adj', '321'],
      ...['busybox', 'sleep', '600'],
    );
    assert.match(limitOf(id, 'memory.oom_control', ''), /^oom_kill_disable 1$/m);
    assert.equal(limitOf(id, 'memory.swappiness', ''), '9');
    assert.equal(await docker('exec', id, 'cat', '/proc/1/oom_score_adj'), '321');
    await docker('rm', '-f', id);
    // Lowering it takes a capability that not every daemon has; the container starts all the same.
    assert.match(
      await docker('run', '--rm', '--oom-score-adj', '-5', 'busybox', 'cat', '/proc/self/oom_score_adj'),
      /^(0|-5)$/,
    );
    await assertUnchanged(engine.host, clean);
  });

  test('are put below the parent that was named', async () => {
    const { docker, host } = engine;
    const id = await docker('run', '-d', '--cgroup-parent', `${host.cgroup}/group`, 'busybox', 'sleep', '600');
    const path = V2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory';
    assert.ok(existsSync(join(path, host.cgroup, 'group', id)));
    assert.equal(await docker('inspect', '-f', '{{.HostConfig.CgroupParent}}', id), `${host.cgroup}/group`);
    await docker('rm', '-f', id);
    // As with Docker, a parent that somebody named stays.
    for (const folder of cgroupPaths(host.cgroup)) rmdirSync(join(folder, 'group'));
    await assertUnchanged(host, clean);
  });

  test('change while a container runs and stay changed; what contradicts them is refused', async () => {
    const { docker } = engine;
    const id = await docker(
      'run',
      '-d',
      '--name',
      'box',
      '--memory',
      '32m',
      '--pids-limit',
      '50',
      'busybox',
      'sleep',
      '600',
    );
    for (const client of commandLines(engine)) {
      await client('update', '--memory', '40m', '--memory-swap', '80m', '--cpu-shares', '256', 'box');
      assert.equal(limitOf(id, 'memory.limit_in_bytes', 'memory.max'), '41943040', client.name);
      assert.equal(limitOf(id, 'cpu.shares', 'cpu.weight'), V2 ? '10' : '256', client.name);
      // What a change does not name stays.
      assert.equal(limitOf(id, 'pids.max', 'pids.max'), '50', client.name);
      await client('update', '--cpu-quota', '20000', '--cpu-period', '40000', '--cpuset-cpus', '0', 'box');
      assert.equal(limitOf(id, 'cpu.cfs_quota_us', 'cpu.max'), V2 ? '20000 40000' : '20000', client.name);
      const refused = await client.run(['update', '--cpus', '1', 'box']);
      assert.match(refused.stderr, /Nano CPUs cannot be updated as CPU Period has already been set/, client.name);
      const swap = await client.run(['update', '--memory', '90m', 'box']);
      assert.match(swap.stderr, /Memory limit should be smaller than already set memoryswap limit/, client.name);
      assert.match(
        (await client.run(['update', '--memory', '1m', 'box'])).stderr,
        /Minimum memory limit allowed is 6MB/,
      );
      assert.equal(
        await client('inspect', '-f', '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}', 'box'),
        '41943040 0',
      );
      await client('update', '--pids-limit', '60', 'box');
      assert.equal(limitOf(id, 'pids.max', 'pids.max'), '60', client.name);
      await client('update', '--pids-limit', '50', '--restart', 'on-failure:3', 'box');
      assert.equal(
        await client(
          'inspect',
          '-f',
          '{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}',
          'box',
        ),
        'on-failure:3',
      );
      await client('update', '--restart', 'no', 'box');
    }
    await docker('stop', '-t', '0', 'box');
    await docker('update', '--memory', '48m', '--memory-swap', '-1', 'box');
    await docker('start', 'box');
    assert.equal(limitOf(id, 'memory.limit_in_bytes', 'memory.max'), '50331648');
    await docker('rm', '-f', 'box');
    await assertUnchanged(engine.host, clean);
  });

  test('that make no sense are refused and nothing is made', async () => {
    const cpus = availableParallelism();
    const cases: readonly [string[], RegExp][] = [
      [['--memory', '1m'], /Minimum memory limit allowed is 6MB/],
      [['--memory', '64m', '--memory-swap', '32m'], /Minimum memoryswap limit should be larger than memory limit/],
      [
        ['--cpus', String(cpus + 1)],
        new RegExp(`range of CPUs is from 0\\.01 to ${cpus}\\.00, as there are only ${cpus} CPUs available`),
      ],
      [['--cpuset-cpus', '4000'], /Requested CPUs are not available - requested 4000, available: /],
      [['--cpu-period', '5'], /CPU cfs period can not be less than 1ms/],
      [['--blkio-weight', '5'], /Range of blkio weight is from 10 to 1000|Weight discarded/],
      [['--memory-reservation', '1m'], /Minimum memory reservation allowed is 6MB/],
    ];
    for (const client of commandLines(engine)) {
      for (const [flags, says] of cases) {
        const result = await client.run(['create', ...flags, 'busybox']);
        assert.match(result.stderr, says, `${client.name} ${flags.join(' ')}`);
        if (result.code === 0) await client('rm', result.stdout.trim());
      }
      assert.equal(await client('ps', '-aq'), '', client.name);
      // A device that is not there is found out at the start.
      const absent = await client.run(['run', '--rm', '--device-read-bps', '/dev/nowhere:1mb', 'busybox', 'true']);
      assert.match(absent.stderr, /stat \/dev\/nowhere: no such file or directory/, client.name);
      assert.equal(absent.code, 127, client.name);
    }
    await assertUnchanged(engine.host, clean);
  });
});
