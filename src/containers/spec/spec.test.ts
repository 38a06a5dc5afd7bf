import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { deviceNumber, resourcesOf } from '../limits/index.ts';
import type { ContainerRecord } from '../records/index.ts';
import { CREATED } from '../records/index.ts';
import { specOf } from '../testing/index.ts';
import { buildSpec, environmentOf } from './build.ts';
import { capabilitiesOf } from './capabilities.ts';
import { parseDeviceRule } from './devices.ts';
import { execProcess } from './exec.ts';
import { type HostFacts, hardLimits } from './host-facts.ts';
import { layersOf, listTree, readTreeFile } from './rootfs.ts';
import { defaultSeccomp } from './seccomp.ts';
import { parseSeccompProfile } from './seccomp-profile.ts';
import { parseSecurityOptions } from './security.ts';
import { resolveUser } from './user.ts';

const FACTS: HostFacts = {
  cgroupVersion: 1,
  seccomp: true,
  x32: false,
  readOnlyBelow: () => true,
  apparmor: false,
  capabilities: (1n << 41n) - 1n,
  mayLowerOomScore: false,
  oomScoreAdj: 0,
  hardLimits: { RLIMIT_NOFILE: 20_000 },
};

interface BuiltSpec {
  readonly process: {
    readonly args: string[];
    readonly env: string[];
    readonly capabilities: { readonly effective: string[] };
    readonly rlimits: object[];
    readonly oomScoreAdj?: number;
  };
  readonly mounts: { readonly destination: string; readonly source: string; readonly options: string[] }[];
  readonly linux: {
    readonly namespaces: object[];
    readonly seccomp?: object;
    readonly maskedPaths: string[];
    readonly sysctl: object;
    readonly resources: { readonly devices: object[] };
  };
}

function recordOf(part: Parameters<typeof specOf>[0] = {}): ContainerRecord {
  return {
    version: 1,
    id: 'a'.repeat(64) as ContainerRecord['id'],
    name: 'x',
    created: '',
    spec: specOf(part),
    imageId: '',
    effective: {
      entrypoint: ['/init'],
      cmd: ['--flag'],
      env: ['A=1'],
      workdir: '',
      user: '',
      hostname: 'host1',
      labels: {},
      exposed: [],
      volumes: [],
    },
    networks: [],
    mounts: [],
    state: CREATED,
    stoppedByUser: false,
    anonymousVolumes: [],
  };
}

function build(
  part: Parameters<typeof specOf>[0] = {},
  more: Partial<Parameters<typeof buildSpec>[0]> = {},
): BuiltSpec {
  return buildSpec({
    record: recordOf(part),
    rootfs: [],
    netns: '/run/netns/x',
    files: [{ source: '/data/hosts', destination: '/etc/hosts' }],
    join: {},
    extraEnv: [],
    mounts: [],
    cgroupsPath: '/docker/x',
    facts: FACTS,
    defaultUlimits: [],
    ...more,
  }) as BuiltSpec;
}

describe('a profile of AppArmor', () => {
  const profile = (facts: HostFacts, securityOpt: readonly string[]): unknown =>
    (build({ security: { securityOpt } }, { facts }).process as { apparmorProfile?: string }).apparmorProfile;
  const withAppArmor = { ...FACTS, apparmor: true };

  it('is handed to the runtime where the kernel has AppArmor, and there alone', () => {
    assert.equal(profile(withAppArmor, ['apparmor=mine']), 'mine');
    assert.equal(profile(withAppArmor, ['apparmor:mine']), 'mine');
    assert.equal(profile(withAppArmor, ['apparmor=unconfined']), 'unconfined');
    assert.equal(profile(withAppArmor, []), undefined);
    assert.equal(profile(FACTS, ['apparmor=mine']), undefined);
  });

  it('is also that of an exec, unless it is privileged', () => {
    const ofExec = (facts: HostFacts, privileged: boolean): unknown =>
      (
        execProcess({
          record: recordOf({ security: { securityOpt: ['apparmor=mine'] } }),
          rootfs: [],
          options: { cmd: ['true'], env: [], privileged, tty: false },
          facts,
          extraEnv: [],
          defaultUlimits: [],
        }) as { apparmorProfile?: string }
      ).apparmorProfile;
    assert.equal(ofExec(withAppArmor, false), 'mine');
    assert.equal(ofExec(withAppArmor, true), 'unconfined');
    assert.equal(ofExec(FACTS, true), undefined);
  });
});

describe('the specification of a container', () => {
  it('has the defaults of Docker', () => {
    const spec = build();
    assert.deepEqual(spec.process.args, ['/init', '--flag']);
    assert.deepEqual(spec.process.env, [
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOSTNAME=host1',
      'A=1',
    ]);
    assert.equal(spec.process.capabilities.effective.length, 14);
    assert.deepEqual(spec.linux.namespaces, [
      { type: 'mount' },
      { type: 'network', path: '/run/netns/x' },
      { type: 'uts' },
      { type: 'pid' },
      { type: 'ipc' },
    ]);
    assert.ok(spec.linux.seccomp);
    assert.ok(spec.linux.maskedPaths.includes('/proc/kcore'));
    assert.deepEqual(
      spec.mounts.map(({ destination }) => destination),
      ['/proc', '/dev', '/dev/pts', '/sys', '/sys/fs/cgroup', '/dev/mqueue', '/dev/shm', '/etc/hosts'],
    );
  });

  it('opens everything for privileged ones', () => {
    const spec = build({ security: { privileged: true } });
    assert.equal(spec.process.capabilities.effective.length, 41);
    assert.equal(spec.linux.seccomp, undefined);
    assert.deepEqual(spec.linux.maskedPaths, []);
    assert.deepEqual(spec.linux.resources.devices, [{ allow: true, access: 'rwm' }]);
  });

  it('leaves out namespaces that are the host’s and joins those of others', () => {
    const host = build({ security: { pidMode: 'host', ipcMode: 'host', utsMode: 'host' } }, { netns: null });
    assert.deepEqual(host.linux.namespaces, [{ type: 'mount' }]);
    const joined = build({ security: { pidMode: 'container:y' } }, { join: { pid: 7 } });
    assert.ok(joined.linux.namespaces.some((one) => 'path' in one && one.path === '/proc/7/ns/pid'));
  });

  it('asks for no more than the daemon has itself', () => {
    const spec = build({
      resources: { ulimits: [{ name: 'nofile', soft: -1, hard: -1 }] },
      security: { oomScoreAdj: -500 },
    });
    assert.deepEqual(spec.process.rlimits, [{ type: 'RLIMIT_NOFILE', soft: 20_000, hard: 20_000 }]);
    assert.equal(spec.process.oomScoreAdj, 0);
  });

  it('lets the user’s mounts take the place of its own, parents first', () => {
    const point = { type: 'bind', mode: '', writable: false, propagation: 'rprivate' } as const;
    const spec = build(
      {},
      {
        mounts: [
          { ...point, source: '/b', destination: '/srv/a/b' },
          { ...point, source: '/a', destination: '/srv/a' },
          { ...point, source: '/h', destination: '/etc/hosts' },
        ],
      },
    );
    assert.deepEqual(
      spec.mounts.slice(-3).map(({ source, options }) => `${source} ${options.join()}`),
      ['/a rbind,ro,rprivate', '/h rbind,ro,rprivate', '/b rbind,ro,rprivate'],
    );
  });

  it('keeps sysctls of the network out: they are set with the namespace', () => {
    const spec = build({ security: { sysctls: { 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '9' } } });
    assert.deepEqual(spec.linux.sysctl, { 'kernel.msgmax': '9' });
  });
});

describe('capabilities', () => {
  const base = { add: [], drop: [], privileged: false, available: FACTS.capabilities };

  it('are added and dropped by name, with or without CAP_', () => {
    const names = capabilitiesOf({ ...base, add: ['net_admin'], drop: ['CAP_CHOWN'] });
    assert.ok(names.includes('CAP_NET_ADMIN') && !names.includes('CAP_CHOWN'));
    assert.deepEqual(capabilitiesOf({ ...base, add: ['KILL'], drop: ['ALL'] }), ['CAP_KILL']);
    assert.throws(() => capabilitiesOf({ ...base, add: ['FLY'] }), {
      message: 'invalid CapAdd: unknown capability: "CAP_FLY"',
    });
  });

  it('are never more than the daemon’s own', () => {
    assert.deepEqual(capabilitiesOf({ ...base, privileged: true, available: 0b101n }), [
      'CAP_CHOWN',
      'CAP_DAC_READ_SEARCH',
    ]);
  });
});

describe('the default filter of system calls', () => {
  it('refuses namespaces to all but administrators', () => {
    const text = (capabilities: string[]): string => JSON.stringify(defaultSeccomp(capabilities, { x32: false }));
    assert.ok(!text(['CAP_CHOWN']).includes('"unshare"'));
    assert.ok(text(['CAP_SYS_ADMIN']).includes('"unshare"'));
    assert.ok(text([]).includes('"errnoRet":38'));
  });

  it('knows the ABIs that the kernel serves', () => {
    const of = (options: Parameters<typeof defaultSeccomp>[1]): unknown =>
      (defaultSeccomp([], options) as { architectures: unknown }).architectures;
    const abis = ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'];
    assert.deepEqual(of({ x32: false, architecture: 'x64' }), abis);
    assert.deepEqual(of({ x32: true, architecture: 'x64' }), [...abis, 'SCMP_ARCH_X32']);
    assert.deepEqual(of({ x32: true, architecture: 'arm64' }), ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
  });
});

describe('a profile of system calls in Docker’s format', () => {
  const profile = JSON.stringify({
    defaultAction: 'SCMP_ACT_ERRNO',
    archMap: [
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
      { architecture: 'SCMP_ARCH_AARCH64' },
    ],
    syscalls: [
      { names: ['read'], action: 'SCMP_ACT_ALLOW' },
      { name: 'mount', action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['clone'], action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['ptrace'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '4.8' } },
      { names: ['arch_prctl'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64'] }, args: [] },
    ],
  });
  const names = (capabilities: string[], architecture: string, kernel: string): string[] => {
    const found = parseSeccompProfile(profile, { capabilities, architecture, kernel }) as {
      readonly syscalls: { readonly names: string[] }[];
    };
    return found.syscalls.flatMap((rule) => rule.names);
  };

  it('says different things to different containers, machines and kernels', () => {
    assert.deepEqual(names([], 'amd64', '6.1.0'), ['read', 'clone', 'ptrace', 'arch_prctl']);
    assert.deepEqual(names(['CAP_SYS_ADMIN'], 'arm64', '4.7.9'), ['read', 'mount']);
    assert.deepEqual(
      (parseSeccompProfile(profile, { capabilities: [], architecture: 'amd64' }) as { architectures: string[] })
        .architectures,
      ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
    );
  });

  it('must not contradict itself', () => {
    const refused = (change: object): void =>
      assert.throws(
        () => parseSeccompProfile(JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', ...change }), { capabilities: [] }),
        {
          kind: 'invalid',
          message: /^both '|^Decoding seccomp profile failed/,
        },
      );
    refused({ architectures: ['SCMP_ARCH_X86'], archMap: [{ architecture: 'SCMP_ARCH_X86' }] });
    refused({ syscalls: [{ name: 'a', names: ['b'], action: 'SCMP_ACT_ALLOW' }] });
    refused({ syscalls: 'all' });
  });
});

describe('resources', () => {
  it('become those of the runtime', () => {
    const { resources } = specOf();
    assert.deepEqual(resourcesOf(resources), {});
    assert.deepEqual(resourcesOf({ ...resources, memory: 100, nanoCpus: 1.5e9, pidsLimit: -1 }), {
      memory: { limit: 100, swap: 200 },
      cpu: { period: 100_000, quota: 150_000 },
      pids: { limit: -1 },
    });
  });
});

describe('users', () => {
  const files = {
    passwd: 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:/bin/sh\n',
    group: 'root:x:0:\nwheel:x:10:root\nweb:x:34:\nextra:x:50:web\n',
  };

  it('are looked up in the image', () => {
    assert.deepEqual(resolveUser('', files), { uid: 0, gid: 0, additionalGids: [0, 10] });
    assert.deepEqual(resolveUser('web', files), { uid: 33, gid: 34, additionalGids: [34, 50] });
    assert.deepEqual(resolveUser('33', files), { uid: 33, gid: 34, additionalGids: [34, 50] });
    assert.deepEqual(resolveUser('web:extra', files), { uid: 33, gid: 50, additionalGids: [50] });
    assert.deepEqual(resolveUser('1000', files, ['extra', '7']), { uid: 1000, gid: 0, additionalGids: [0, 50, 7] });
  });

  it('that are nowhere are refused', () => {
    assert.throws(() => resolveUser('bob', files), {
      message: 'unable to find user bob: no matching entries in passwd file',
    });
    assert.throws(() => resolveUser('web:bobs', files), {
      message: 'Unable to find group bobs: no matching entries in group file',
    });
  });
});

describe('a file tree that is not mounted', () => {
  it('is read through its layers and its own links', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fwt-'));
    try {
      const [upper, lower] = [join(folder, 'u'), join(folder, 'l')];
      mkdirSync(join(lower, 'etc/real'), { recursive: true });
      mkdirSync(join(upper, 'etc'), { recursive: true });
      writeFileSync(join(lower, 'etc/real/passwd'), 'below');
      writeFileSync(join(lower, 'etc/both'), 'below');
      writeFileSync(join(upper, 'etc/both'), 'above');
      symlinkSync('/etc/real/passwd', join(upper, 'etc/passwd'));
      symlinkSync('/etc/loop', join(upper, 'etc/loop'));
      symlinkSync('../../../../../../../../etc/hostname', join(upper, 'etc/out'));
      const layers = layersOf([
        { type: 'overlay', source: 'overlay', options: [`lowerdir=${lower}`, `upperdir=${upper}`] },
      ]);
      assert.deepEqual(layers, [upper, lower]);
      assert.equal(readTreeFile(layers, '/etc/passwd'), 'below');
      assert.equal(readTreeFile(layers, '/etc/both'), 'above');
      assert.equal(readTreeFile(layers, '/etc/loop'), undefined);
      assert.equal(readTreeFile(layers, '/etc/out'), undefined);
      assert.deepEqual(
        listTree(layers, '/etc')
          ?.children.map(({ name }) => name)
          .sort(),
        ['both', 'loop', 'out', 'passwd', 'real'],
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('small parsers', () => {
  it('read security options, device rules, device numbers, limits and environments', () => {
    assert.deepEqual(parseSecurityOptions({ securityOpt: ['no-new-privileges', 'seccomp=unconfined'] }), {
      noNewPrivileges: true,
      unmasked: false,
      writableCgroups: false,
      seccomp: 'unconfined',
    });
    const refused: readonly [string, string | RegExp][] = [
      ['fly', 'invalid --security-opt 1: "fly"'],
      ['fly=high', 'invalid --security-opt 2: "fly=high"'],
      ['no-new-privileges=perhaps', 'invalid --security-opt 2: "no-new-privileges=perhaps"'],
      ['seccomp={', /^Decoding seccomp profile failed: /],
    ];
    for (const [option, message] of refused) {
      assert.throws(() => parseSecurityOptions({ securityOpt: [option] }), { kind: 'invalid', message });
    }
    assert.equal(parseSecurityOptions({ securityOpt: ['no-new-privileges:false'] }).noNewPrivileges, false);
    assert.equal(parseSecurityOptions({ securityOpt: ['apparmor=mine', 'label=disable'] }).apparmor, 'mine');
    assert.deepEqual(parseDeviceRule('c 1:* rw'), { allow: true, type: 'c', access: 'rw', major: 1 });
    assert.throws(() => parseDeviceRule('c 1'), { message: "invalid device cgroup rule format: 'c 1'" });
    assert.deepEqual(deviceNumber(0x103), { major: 1, minor: 3 });
    assert.deepEqual(
      hardLimits(
        'Limit  Soft  Hard  Units\nMax open files            1024                 4096                 files\nMax cpu time   unlimited   unlimited   seconds\n',
      ),
      {
        RLIMIT_NOFILE: 4096,
      },
    );
    assert.deepEqual(environmentOf(['PATH=/bin', 'HOSTNAME'], { hostname: 'h', tty: true }), [
      'PATH=/bin',
      'TERM=xterm',
    ]);
  });
});
