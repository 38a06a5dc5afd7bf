import type { Mount } from '../containerd/index.ts';
import type { MountPoint } from '../contract.ts';
import { resourcesOf } from '../limits/index.ts';
import type { ContainerRecord } from '../records/index.ts';
import { capabilitiesOf } from './capabilities.ts';
import { ALL_DEVICES_RULE, allHostDevices, DEFAULT_DEVICE_RULES, hostDevices, parseDeviceRule } from './devices.ts';
import type { HostFacts } from './host-facts.ts';
import { parentsFirst, rootPropagation, systemMounts, userMounts } from './mounts.ts';
import { layersOf, readTreeFile } from './rootfs.ts';
import { defaultSeccomp } from './seccomp.ts';
import { parseSeccompProfile } from './seccomp-profile.ts';
import { parseSecurityOptions } from './security.ts';
import { type OciUser, resolveUser } from './user.ts';

export interface SpecInput {
  readonly record: ContainerRecord;
  readonly rootfs: readonly Mount[];
  /** Path of the network namespace; null for the host's. */
  readonly netns: string | null;
  /** `/etc/hosts`, `/etc/hostname`, `/etc/resolv.conf` on the host. */
  readonly files: readonly { readonly source: string; readonly destination: string }[];
  /** Pids of containers whose namespaces are joined. */
  readonly join: { readonly pid?: number; readonly ipc?: number };
  /** The folder behind /dev/shm when it is shared between containers. */
  readonly sharedMemory?: string;
  /** A program of the host that runs as process 1 and starts the container's own. */
  readonly initProgram?: string;
  /** Beyond the container's own: legacy links. */
  readonly extraEnv: readonly string[];
  readonly mounts: readonly MountPoint[];
  readonly cgroupsPath: string;
  readonly facts: HostFacts;
  /** For limits the container does not name. */
  readonly defaultUlimits: ContainerRecord['spec']['resources']['ulimits'];
}

const MASKED =
  '/proc/asound /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware /sys/devices/virtual/powercap'.split(
    ' ',
  );
const READ_ONLY = '/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger'.split(' ');
const INIT_PATH = '/sbin/docker-init';
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The container's user, looked up in its own files. */
export function userOf(rootfs: readonly Mount[], user: string, groupAdd: readonly string[]): OciUser {
  const layers = layersOf(rootfs);
  return resolveUser(
    user,
    { passwd: readTreeFile(layers, '/etc/passwd') ?? '', group: readTreeFile(layers, '/etc/group') ?? '' },
    groupAdd,
  );
}

/** PATH and HOSTNAME first, TERM with a terminal, then the container's; later ones of the same name win. */
export function environmentOf(
  env: readonly string[],
  options: { readonly hostname: string; readonly tty: boolean; readonly extra?: readonly string[] },
): string[] {
  const merged = new Map<string, string>();
  const base = [DEFAULT_PATH, `HOSTNAME=${options.hostname}`, ...(options.tty ? ['TERM=xterm'] : [])];
  for (const entry of [...base, ...(options.extra ?? []), ...env]) {
    const name = entry.split('=', 1)[0] ?? '';
    // A name alone takes the variable away.
    if (entry.includes('=')) merged.set(name, entry);
    else merged.delete(name);
  }
  return [...merged.values()];
}

/** What runc makes of a container. Throws `invalid` for users, devices and capabilities that do not exist. */
export function buildSpec(input: SpecInput): object {
  const { record, facts } = input;
  const { spec, effective } = record;
  const { security, resources } = spec;
  const settings = parseSecurityOptions(security);
  const capabilities = capabilitiesOf({
    add: security.capAdd,
    drop: security.capDrop,
    privileged: security.privileged,
    available: facts.capabilities,
  });
  const user = userOf(input.rootfs, effective.user, spec.process.groupAdd);
  const sets = user.uid === 0 ? capabilities : [];
  const seccomp = seccompOf(settings.seccomp, security.privileged, capabilities, facts);
  return {
    ociVersion: '1.0.2',
    hostname: security.utsMode === 'host' ? '' : effective.hostname,
    process: {
      terminal: spec.process.tty,
      ...(spec.process.tty && spec.process.consoleSize && { consoleSize: spec.process.consoleSize }),
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: [...(input.initProgram === undefined ? [] : [INIT_PATH, '--']), ...effective.entrypoint, ...effective.cmd],
      env: environmentOf(effective.env, {
        hostname: effective.hostname,
        tty: spec.process.tty,
        extra: input.extraEnv,
      }),
      cwd: effective.workdir === '' ? '/' : effective.workdir,
      capabilities: { bounding: capabilities, effective: sets, permitted: sets, inheritable: [], ambient: [] },
      noNewPrivileges: settings.noNewPrivileges,
      rlimits: rlimitsOf(resources.ulimits, input.defaultUlimits, facts),
      // Always said: the shim's own score is not the container's.
      oomScoreAdj: facts.mayLowerOomScore ? security.oomScoreAdj : Math.max(security.oomScoreAdj, facts.oomScoreAdj),
      ...(settings.apparmor && facts.apparmor ? { apparmorProfile: settings.apparmor } : {}),
    },
    root: { path: 'rootfs', readonly: security.readonlyRootfs },
    mounts: mountsOf(input),
    linux: {
      namespaces: namespacesOf(input),
      cgroupsPath: input.cgroupsPath,
      resources: { ...resourcesOf(resources), devices: deviceRules(record) },
      devices: devicesOf(record),
      sysctl: sysctlsOf(input),
      maskedPaths: security.privileged || settings.unmasked ? [] : (security.maskedPaths ?? MASKED),
      readonlyPaths: security.privileged || settings.unmasked ? [] : (security.readonlyPaths ?? READ_ONLY),
      rootfsPropagation: rootPropagation(input.mounts),
      ...(seccomp && { seccomp }),
    },
    annotations: spec.annotations,
  };
}

function mountsOf(input: SpecInput): object[] {
  const { security, mounts, network } = input.record.spec;
  const targets = new Set(input.mounts.map(({ destination }) => destination));
  const system = systemMounts({
    privileged: security.privileged,
    shmSize: security.shmSize,
    hostNetwork: network.mode === 'host',
    hostIpc: security.ipcMode === 'host',
    privateCgroup: security.cgroupnsMode !== 'host',
    writableCgroups: parseSecurityOptions(security).writableCgroups,
    ...(input.sharedMemory === undefined ? {} : { sharedMemory: input.sharedMemory }),
  }).filter(({ destination }) => {
    if (targets.has(destination)) return false;
    // A /dev of one's own is taken as it is; without IPC there is no memory to share.
    if (destination.startsWith('/dev/') && targets.has('/dev')) return false;
    return destination !== '/dev/shm' || security.ipcMode !== 'none';
  });
  const files = input.files
    .filter(({ destination }) => !targets.has(destination))
    .map(({ source, destination }) => ({
      destination,
      type: 'bind',
      source,
      options: ['rbind', security.readonlyRootfs ? 'ro' : 'rw', 'rprivate'],
    }));
  if (input.initProgram !== undefined) {
    files.push({ destination: INIT_PATH, type: 'bind', source: input.initProgram, options: ['bind', 'ro'] });
  }
  const tmpfs = { ...mounts.tmpfs };
  for (const mount of mounts.mounts) {
    if (mount.type !== 'tmpfs') continue;
    const options = [
      ...(mount.tmpfsSize ? [`size=${mount.tmpfsSize}`] : []),
      ...(mount.tmpfsMode ? [`mode=${mount.tmpfsMode.toString(8)}`] : []),
      ...(mount.readOnly ? ['ro'] : []),
      ...(mount.tmpfsOptions ?? []),
    ];
    tmpfs[mount.target] = options.join(',');
  }
  return [...system, ...parentsFirst([...files, ...userMounts(input.mounts, tmpfs, input.facts)])];
}

function namespacesOf(input: SpecInput): object[] {
  const { security } = input.record.spec;
  const namespaces: object[] = [{ type: 'mount' }];
  if (input.netns !== null) namespaces.push({ type: 'network', path: input.netns });
  if (security.utsMode !== 'host') namespaces.push({ type: 'uts' });
  if (input.join.pid !== undefined) namespaces.push({ type: 'pid', path: `/proc/${input.join.pid}/ns/pid` });
  else if (security.pidMode !== 'host') namespaces.push({ type: 'pid' });
  if (input.join.ipc !== undefined) namespaces.push({ type: 'ipc', path: `/proc/${input.join.ipc}/ns/ipc` });
  else if (security.ipcMode !== 'host') namespaces.push({ type: 'ipc' });
  const cgroupns = security.cgroupnsMode === '' ? input.facts.cgroupVersion === 2 : security.cgroupnsMode === 'private';
  if (cgroupns) namespaces.push({ type: 'cgroup' });
  return namespaces;
}

/** `net.*` ones have been set with a sandbox of the container's own; the runtime refuses them in the host's namespace. */
function sysctlsOf({ record }: SpecInput): Record<string, string> {
  const { network, security } = record.spec;
  const ownSandbox = network.mode !== 'host' && !network.mode.startsWith('container:');
  const wanted = Object.entries(security.sysctls).filter(([key]) => !ownSandbox || !key.startsWith('net.'));
  return {
    ...(network.domainname && security.utsMode !== 'host' && { 'kernel.domainname': network.domainname }),
    ...Object.fromEntries(wanted),
  };
}

function deviceRules(record: ContainerRecord): object[] {
  const { security, resources } = record.spec;
  if (security.privileged) return [ALL_DEVICES_RULE];
  const rules: object[] = [...DEFAULT_DEVICE_RULES];
  for (const { host, container, permissions } of resources.devices) {
    for (const device of hostDevices(host, container)) {
      const { type, major, minor } = device;
      rules.push({ allow: true, type, major, minor, access: permissions === '' ? 'rwm' : permissions });
    }
  }
  return [...rules, ...resources.deviceCgroupRules.map(parseDeviceRule)];
}

function devicesOf(record: ContainerRecord): object[] {
  const { security, resources } = record.spec;
  const devices = new Map<string, object>();
  if (security.privileged) for (const device of allHostDevices()) devices.set(device.path, device);
  for (const { host, container } of resources.devices) {
    for (const device of hostDevices(host, container)) devices.set(device.path, device);
  }
  return [...devices.values()];
}

type Ulimits = ContainerRecord['spec']['resources']['ulimits'];

function withDefaults(own: Ulimits, defaults: Ulimits): Ulimits {
  return [...defaults.filter(({ name }) => !own.some((one) => one.name === name)), ...own];
}

/** The container's own before the daemon's, none above what the daemon itself may have. */
export function rlimitsOf(
  own: Ulimits,
  defaults: Ulimits,
  facts: HostFacts,
): { type: string; soft: number; hard: number }[] {
  return withDefaults(own, defaults).map(({ name, soft, hard }) => {
    const type = `RLIMIT_${name.toUpperCase()}`;
    const ceiling = facts.hardLimits[type] ?? Number.MAX_SAFE_INTEGER;
    // −1 is "unlimited" to Docker; without CAP_SYS_RESOURCE nobody gets more than the daemon has.
    const limit = (value: number): number => Math.min(value < 0 ? Number.MAX_SAFE_INTEGER : value, ceiling);
    return { type, soft: Math.min(limit(soft), limit(hard)), hard: limit(hard) };
  });
}

function seccompOf(
  profile: string | undefined,
  privileged: boolean,
  capabilities: readonly string[],
  facts: HostFacts,
): object | undefined {
  if (profile === 'unconfined' || !facts.seccomp) return undefined;
  if (profile === undefined || profile === 'builtin') {
    return privileged ? undefined : defaultSeccomp(capabilities, facts);
  }
  return parseSeccompProfile(profile, { capabilities });
}
