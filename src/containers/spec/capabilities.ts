import { invalid } from '../../base/index.ts';

/** In the order of their numbers, so that the index is the kernel's. */
const ALL =
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'.split(
    ' ',
  );

const DEFAULT =
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'.split(
    ' ',
  );

export interface CapabilityRequest {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
  /** What the daemon itself may give away: bit n for capability n. */
  readonly available: bigint;
}

/** The names with `CAP_`, in the kernel's order. Throws with Docker's text for an unknown name. */
export function capabilitiesOf(request: CapabilityRequest): string[] {
  const add = known('CapAdd', request.add);
  const drop = known('CapDrop', request.drop);
  const base = request.privileged || add.includes('ALL') ? ALL : drop.includes('ALL') ? [] : DEFAULT;
  const wanted = new Set([...base, ...add]);
  if (!request.privileged)
    for (const name of drop) if (!(drop.includes('ALL') && add.includes(name))) wanted.delete(name);
  return ALL.filter((name, number) => wanted.has(name) && ((request.available >> BigInt(number)) & 1n) === 1n).map(
    (name) => `CAP_${name}`,
  );
}

function known(field: string, names: readonly string[]): string[] {
  return names.map((text) => {
    const name = normalize(text);
    if (name === 'ALL' || ALL.includes(name)) return name;
    throw invalid('unknown_capability', `invalid ${field}: unknown capability: "CAP_${name}"`);
  });
}

function normalize(name: string): string {
  return name.toUpperCase().replace(/^CAP_/, '');
}
