import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { servesX32 } from '../../kernel/index.ts';

/** What this machine and this process can give to a container; read once. */
export interface HostFacts {
  readonly cgroupVersion: 1 | 2;
  readonly seccomp: boolean;
  /** Programs of the x32 ABI run here. */
  readonly x32: boolean;
  /** Can a bind mount make what is mounted below it read-only too? Asked of the runtime when first wanted. */
  readonly readOnlyBelow: () => boolean;
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

/** `runtime`: the OCI runtime's program. */
export function readHostFacts(runtime = 'runc'): HostFacts {
  let known: boolean | undefined;
  const status = readFileSync('/proc/self/status', 'utf8');
  const mask = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s+([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  const privileged = ((mask('CapEff') >> CAP_SYS_RESOURCE) & 1n) === 1n;
  return {
    cgroupVersion: existsSync('/sys/fs/cgroup/cgroup.controllers') ? 2 : 1,
    readOnlyBelow: () => {
      known ??= knowsReadOnlyBelow(runtime);
      return known;
    },
    seccomp: /^Seccomp:/m.test(status),
    x32: servesX32(),
    apparmor: existsSync('/sys/kernel/security/apparmor/profiles'),
    capabilities: mask('CapBnd'),
    mayLowerOomScore: privileged,
    oomScoreAdj: Number(readFileSync('/proc/self/oom_score_adj', 'utf8')),
    hardLimits: privileged ? {} : hardLimits(readFileSync('/proc/self/limits', 'utf8')),
  };
}

/** mount_setattr(2) came with Linux 5.12; what the runtime knows it says itself, from 1.1 on. */
function knowsReadOnlyBelow(runtime: string): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major < 5 || (major === 5 && minor < 12)) return false;
  try {
    const answer = execFileSync(runtime, ['features'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const { mountOptions } = JSON.parse(answer.toString()) as { readonly mountOptions?: readonly string[] };
    return mountOptions?.includes('rro') ?? false;
  } catch {
    return false;
  }
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
