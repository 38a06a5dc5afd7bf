import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Id } from '../../base/index.ts';
import type { ResourceOptions } from '../options.ts';
import { specOf } from '../testing/index.ts';
import { type LimitAbilities, readLimitAbilities } from './abilities.ts';
import { resourcesOf } from './resources.ts';
import { changedResources } from './update.ts';
import { verifyResources } from './verify.ts';

const MIB = 1 << 20;
const NOTHING: ResourceOptions = specOf().resources;
const ALL: LimitAbilities = {
  memory: true,
  swap: true,
  memoryReservation: true,
  memorySwappiness: true,
  oomKillDisable: true,
  pids: true,
  cpuShares: true,
  cpuCfs: true,
  cpuRealtime: true,
  cpuset: true,
  blkioWeight: true,
  blkioWeightDevice: true,
  blkioReadBps: true,
  blkioWriteBps: true,
  blkioReadIops: true,
  blkioWriteIops: true,
  cpus: '0-1',
  memoryNodes: '0',
  cpuCount: 2,
};
const NONE: LimitAbilities = {
  ...(Object.fromEntries(Object.keys(ALL).map((name) => [name, false])) as unknown as LimitAbilities),
  cpus: '',
  memoryNodes: '',
  cpuCount: 2,
};

function verify(asked: Partial<ResourceOptions>, abilities = ALL, update = false) {
  return verifyResources({ ...NOTHING, ...asked }, { abilities, update });
}

describe('limits that contradict themselves', () => {
  const rate = { path: '/dev/null', rate: 1 };
  const cases: readonly [Partial<ResourceOptions>, string][] = [
    [{ memory: 5 * MIB }, 'Minimum memory limit allowed is 6MB'],
    [{ memory: -1 }, 'Minimum memory limit allowed is 6MB'],
    [
      { memory: 64 * MIB, memorySwap: 32 * MIB },
      'Minimum memoryswap limit should be larger than memory limit, see usage',
    ],
    [{ memorySwap: 64 * MIB }, 'You should always set the Memory limit when using Memoryswap limit, see usage'],
    [{ memorySwappiness: 101 }, 'Invalid value: 101, valid memory swappiness range is 0-100'],
    [{ memoryReservation: MIB }, 'Minimum memory reservation allowed is 6MB'],
    [
      { memory: 8 * MIB, memoryReservation: 9 * MIB },
      'Minimum memory limit can not be less than memory reservation limit, see usage',
    ],
    [{ nanoCpus: 1e9, cpuPeriod: 1000 }, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [{ nanoCpus: 1e9, cpuQuota: 1000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
    [{ nanoCpus: 3e9 }, 'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ nanoCpus: -1 }, 'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ cpuShares: -2 }, 'invalid CPU shares (-2): value must be a positive integer'],
    [{ cpuPeriod: 999 }, 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)'],
    [{ cpuPeriod: 1_000_001 }, 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)'],
    [{ cpuQuota: 999 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
    [
      { cpuRealtimePeriod: 1, cpuRealtimeRuntime: 2 },
      'cpu real-time runtime cannot be higher than cpu real-time period',
    ],
    [{ cpusetCpus: '0-2' }, 'Requested CPUs are not available - requested 0-2, available: 0-1'],
    [{ cpusetCpus: '1-0' }, 'Invalid value 1-0 for cpuset cpus: invalid format: 1-0'],
    [{ cpusetCpus: '9999' }, 'Invalid value 9999 for cpuset cpus: value of out range, maximum is 8192'],
    [{ cpusetMems: '1' }, 'Requested memory nodes are not available - requested 1, available: 0'],
    [{ cpusetMems: 'x' }, 'Invalid value x for cpuset mems: invalid format: x'],
    [{ blkioWeight: 9 }, 'Range of blkio weight is from 10 to 1000'],
    [{ blkioWeight: 1001 }, 'Range of blkio weight is from 10 to 1000'],
  ];
  for (const [asked, message] of cases) {
    it(`are refused: ${JSON.stringify(asked)}`, () => {
      assert.throws(() => verify(asked), { kind: 'invalid', message });
    });
  }

  it('and all that make sense are kept, with swap twice the memory', () => {
    const asked = { memory: 32 * MIB, memorySwappiness: 0, cpusetCpus: '0,1', blkioReadBps: [rate], pidsLimit: 9 };
    assert.deepEqual(verify(asked), {
      resources: { ...NOTHING, ...asked, memorySwap: 64 * MIB },
      warnings: [],
    });
    assert.equal(verify({ memory: 32 * MIB, memorySwap: -1 }).resources.memorySwap, -1);
    assert.equal(verify({ memorySwap: 64 * MIB }, ALL, true).resources.memorySwap, 64 * MIB);
  });
});

describe('limits that the kernel does not know', () => {
  it('are dropped, each with a warning', () => {
    const rates = [{ path: '/dev/null', rate: 1 }];
    const { resources, warnings } = verify(
      {
        memory: 32 * MIB,
        memoryReservation: 16 * MIB,
        memorySwappiness: 10,
        oomKillDisable: true,
        pidsLimit: 5,
        cpuShares: 2,
        cpuPeriod: 5000,
        cpusetCpus: '0',
        blkioWeight: 100,
        blkioWeightDevices: [{ path: '/dev/null', weight: 10 }],
        blkioReadBps: rates,
        blkioWriteBps: rates,
        blkioReadIops: rates,
        blkioWriteIops: rates,
      },
      NONE,
    );
    assert.deepEqual(resources, { ...NOTHING, memorySwap: -1 });
    assert.deepEqual(warnings, [
      'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
      'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
      'Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.',
      'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
      'Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
      'Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.',
      'Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.',
      'Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.',
      'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
      'Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.',
      'Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded.',
      'Your kernel does not support BPS Block I/O write limit or the cgroup is not mounted. Block I/O BPS write limit discarded.',
      'Your kernel does not support IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded.',
      'Your kernel does not support IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write limit discarded.',
    ]);
  });

  it('are refused where dropping them would be dangerous, and swap is given up alone', () => {
    assert.throws(() => verify({ nanoCpus: 1e9 }, NONE), {
      message:
        'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted',
    });
    assert.throws(() => verify({ cpuRealtimeRuntime: 1 }, NONE), {
      message: 'kernel does not support CPU real-time scheduler',
    });
    const { resources, warnings } = verify({ memory: 32 * MIB }, { ...ALL, swap: false });
    assert.deepEqual([resources.memory, resources.memorySwap], [32 * MIB, -1]);
    assert.match(warnings.join(), /^Your kernel does not support swap limit.*Memory limited without swap\.$/);
    assert.deepEqual(verify({ oomKillDisable: true }).warnings, [
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    ]);
  });
});

describe('a change of limits', () => {
  const id = 'a'.repeat(64) as Id;
  const change = (present: Partial<ResourceOptions>, asked: Partial<ResourceOptions>): ResourceOptions =>
    changedResources(id, { ...NOTHING, ...present }, asked);

  it('is laid over those there are', () => {
    assert.deepEqual(change({ memory: 9 * MIB, memorySwap: 18 * MIB, cpuShares: 3 }, { memory: 12 * MIB }), {
      ...NOTHING,
      memory: 12 * MIB,
      memorySwap: 18 * MIB,
      cpuShares: 3,
    });
  });

  it('that contradicts them is refused', () => {
    const cases: readonly [Partial<ResourceOptions>, Partial<ResourceOptions>, string][] = [
      [
        { cpuPeriod: 5000 },
        { nanoCpus: 1 },
        'Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set',
      ],
      [
        { cpuQuota: 5000 },
        { nanoCpus: 1 },
        'Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set',
      ],
      [
        { nanoCpus: 1 },
        { cpuPeriod: 5000 },
        'Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set',
      ],
      [
        { nanoCpus: 1 },
        { cpuQuota: 5000 },
        'Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set',
      ],
      [
        { memory: 9 * MIB, memorySwap: 18 * MIB },
        { memory: 20 * MIB },
        'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
      ],
    ];
    for (const [present, asked, why] of cases) {
      assert.throws(() => change(present, asked), {
        kind: 'conflict',
        message: `Cannot update container ${id}: ${why}`,
      });
    }
  });
});

describe('what the runtime is told', () => {
  it('names block devices by their numbers, and those that are not there by their path', () => {
    const rate = [{ path: '/dev/null', rate: 1024 }];
    assert.deepEqual(
      resourcesOf({
        ...NOTHING,
        blkioWeight: 300,
        blkioWeightDevices: [{ path: '/dev/zero', weight: 20 }],
        blkioReadBps: rate,
        blkioWriteBps: rate,
        blkioReadIops: rate,
        blkioWriteIops: rate,
        cpuRealtimePeriod: 1000,
        cpuRealtimeRuntime: 900,
      }),
      {
        cpu: { realtimePeriod: 1000, realtimeRuntime: 900 },
        blockIO: {
          weight: 300,
          weightDevice: [{ major: 1, minor: 5, weight: 20 }],
          throttleReadBpsDevice: [{ major: 1, minor: 3, rate: 1024 }],
          throttleWriteBpsDevice: [{ major: 1, minor: 3, rate: 1024 }],
          throttleReadIOPSDevice: [{ major: 1, minor: 3, rate: 1024 }],
          throttleWriteIOPSDevice: [{ major: 1, minor: 3, rate: 1024 }],
        },
      },
    );
    assert.throws(() => resourcesOf({ ...NOTHING, blkioReadBps: [{ path: '/dev/nowhere', rate: 1 }] }), {
      kind: 'invalid',
      message: 'stat /dev/nowhere: no such file or directory',
    });
  });
});

describe('what control groups can do', () => {
  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'fwt-'));
  });
  after(() => rmSync(root, { recursive: true }));

  /** Writes files below the folder and says where the probe finds them. */
  function machine(name: string, files: Readonly<Record<string, string>>) {
    const folder = join(root, name);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text.replaceAll('@', folder));
    }
    return readLimitAbilities({
      mountinfo: join(folder, 'mountinfo'),
      ownCgroups: join(folder, 'own'),
      unified: join(folder, 'cg'),
    });
  }
  const truths = (abilities: LimitAbilities): string[] =>
    Object.entries(abilities).flatMap(([name, value]) => (value === true ? [name] : []));

  it('is read from the files of v1 controllers, also where a v2 tree stands beside them', () => {
    const found = machine('hybrid', {
      mountinfo: [
        '30 25 0:26 / @/cg/memory rw,relatime shared:9 - cgroup cgroup rw,memory',
        '31 25 0:27 / @/cg/cpu rw - cgroup cgroup rw,cpu,cpuacct',
        '32 25 0:28 / @/cg/cpuset rw - cgroup cgroup rw,cpuset',
        '33 25 0:29 / @/cg/blkio rw - cgroup cgroup rw,blkio',
        '34 25 0:30 / @/cg/unified rw - cgroup2 cgroup2 rw',
      ].join('\n'),
      'cg/unified/cgroup.controllers': '',
      'cg/memory/memory.soft_limit_in_bytes': '0',
      'cg/memory/memory.oom_control': '0',
      'cg/cpu/cpu.shares': '1024',
      'cg/cpu/cpu.cfs_quota_us': '-1',
      'cg/cpuset/cpuset.cpus': '0-7\n',
      'cg/cpuset/cpuset.mems': '0\n',
      'cg/blkio/blkio.throttle.read_bps_device': '',
      'cg/blkio/blkio.bfq.weight': '100',
    });
    assert.deepEqual(truths(found), [
      'memory',
      'memoryReservation',
      'oomKillDisable',
      'cpuShares',
      'cpuCfs',
      'cpuset',
      'blkioWeight',
      'blkioReadBps',
    ]);
    assert.deepEqual([found.cpus, found.memoryNodes], ['0-7', '0']);
  });

  it('is read from the list of controllers on v2', () => {
    const found = machine('unified', {
      own: '0::/user.slice\n',
      'cg/cgroup.controllers': 'cpuset cpu io memory pids\n',
      'cg/user.slice/memory.swap.max': 'max',
      'cg/cpuset.cpus.effective': '0-3\n',
      'cg/cpuset.mems.effective': '0-1\n',
    });
    assert.deepEqual(
      Object.keys(ALL).filter((name) => !truths(found).includes(name)),
      ['memorySwappiness', 'oomKillDisable', 'cpuRealtime', 'cpus', 'memoryNodes', 'cpuCount'],
    );
    assert.deepEqual([found.cpus, found.memoryNodes], ['0-3', '0-1']);
    assert.deepEqual(truths(machine('bare', { own: '0::/\n', 'cg/cgroup.controllers': 'memory\n' })), [
      'memory',
      'memoryReservation',
    ]);
  });
});
