import { existsSync, readFileSync } from 'node:fs';

/** What this machine and this process can give to a container; read once. */
export interface HostFacts {
  readonly cgroupVersion: 1 | 2;
  readonly seccomp: boolean;
  readonly apparmor: boolean;
  /** Our own bounding set: bit n for capability n. */
  readonly capabilities: bigint;
  readonly mayLowerOomScore: boolean;
  /** Our own; without the right to lower it, a container's is never below. */
  readonly oomScoreAdj: number;
  /** `RLIMIT_NOFILE` → our own hard limit, where there is one. Empty when we may raise limits. */
  readonly hardLimits: Readonly<Record<string, number>>;
}

const CAP_SYS_RESOURCE = 24n;

const LIMIT_NAMES: Readonly<Record<string, string>> = {
  'Max cpu time': 'RLIMIT_CPU',
  'Max file size': 'RLIMIT_FSIZE',
  'Max data size': 'RLIMIT_DATA',
  'Max stack size': 'RLIMIT_STACK',
  'Max core file size': 'RLIMIT_CORE',
  'Max resident set': 'RLIMIT_RSS',
  'Max processes': 'RLIMIT_NPROC',
  'Max open files': 'RLIMIT_NOFILE',
  'Max locked memory': 'RLIMIT_MEMLOCK',
  'Max address space': 'RLIMIT_AS',
  'Max file locks': 'RLIMIT_LOCKS',
  'Max pending signals': 'RLIMIT_SIGPENDING',
  'Max msgqueue size': 'RLIMIT_MSGQUEUE',
  'Max nice priority': 'RLIMIT_NICE',
  'Max realtime priority': 'RLIMIT_RTPRIO',
  'Max realtime timeout': 'RLIMIT_RTTIME',
};

export function readHostFacts(): HostFacts {
  const status = readFileSync('/proc/self/status', 'utf8');
  const mask = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s+([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  const privileged = ((mask('CapEff') >> CAP_SYS_RESOURCE) & 1n) === 1n;
  return {
    cgroupVersion: existsSync('/sys/fs/cgroup/cgroup.controllers') ? 2 : 1,
    seccomp: /^Seccomp:/m.test(status),
    apparmor: existsSync('/sys/kernel/security/apparmor/profiles'),
    capabilities: mask('CapBnd'),
    mayLowerOomScore: privileged,
    oomScoreAdj: Number(readFileSync('/proc/self/oom_score_adj', 'utf8')),
    hardLimits: privileged ? {} : hardLimits(readFileSync('/proc/self/limits', 'utf8')),
  };
}

export function hardLimits(text: string): Record<string, number> {
  const limits: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const parts = /^(Max [a-z ]+?)\s{2,}(\S+)\s+(\d+)\b/.exec(line);
    const name = LIMIT_NAMES[parts?.[1] ?? ''];
    if (name !== undefined) limits[name] = Number(parts?.[3]);
  }
  return limits;
}
