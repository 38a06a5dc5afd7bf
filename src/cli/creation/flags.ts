import { bool, type Flag, integer, list, text } from '../grammar/index.ts';
import {
  checkDns,
  checkLink,
  checkPair,
  checkVariable,
  parseAttachment,
  parseBytes,
  parseCpus,
  parseDeviceBytes,
  parseDeviceCount,
  parseDeviceWeight,
  parseDuration,
  parseExtraHost,
  parseMount,
  parseSwap,
  parseUlimit,
} from '../values/index.ts';

const bytes = { placeholder: 'bytes', check: parseBytes };
const duration = { placeholder: 'duration', check: parseDuration, shownDefault: '0s' };
const map = { placeholder: 'map', shownDefault: 'map[]' };
const rates = { shownDefault: '[]' };
const names = { completes: 'containers' } as const;

const IDENTITY: readonly Flag[] = [
  text('name', 'Assign a name to the container', { completes: 'nothing' }),
  text('hostname,h', 'Container host name'),
  text('domainname', 'Container NIS domain name'),
  text('user,u', 'Username or UID (format: <name|uid>[:<group|gid>])'),
  list('group-add', 'Add additional groups to join'),
  text('workdir,w', 'Working directory inside the container'),
  text('entrypoint', 'Overwrite the default ENTRYPOINT of the image'),
  list('env,e', 'Set environment variables', { check: checkVariable }),
  list('env-file', 'Read in a file of environment variables', { completes: 'files' }),
  list('label,l', 'Set meta data on a container'),
  list('label-file', 'Read in a line delimited file of labels', { completes: 'files' }),
  list('annotation', 'Add an annotation to the container (passed through to the OCI runtime)', {
    ...map,
    check: checkPair,
  }),
  text('platform', 'Set platform if server is multi-platform capable'),
  text('pull', 'Pull image before running ("always", "missing", "never")', { shownDefault: 'missing' }),
  bool('quiet,q', 'Suppress the pull output'),
  text('cidfile', 'Write the container ID to the file', { completes: 'files' }),
  bool('disable-content-trust', 'Skip image verification', { hidden: true }),
];

const STREAMS: readonly Flag[] = [
  list('attach,a', 'Attach to STDIN, STDOUT or STDERR', { check: checkStream }),
  bool('interactive,i', 'Keep STDIN open even if not attached'),
  bool('tty,t', 'Allocate a pseudo-TTY'),
  text('log-driver', 'Logging driver for the container'),
  list('log-opt', 'Log driver options'),
];

const NETWORK: readonly Flag[] = [
  list('network', 'Connect a container to a network', {
    placeholder: 'network',
    check: parseAttachment,
    completes: 'networks',
  }),
  list('net', 'Connect a container to a network', { check: parseAttachment, completes: 'networks', hidden: true }),
  list('network-alias', 'Add network-scoped alias for the container'),
  list('net-alias', 'Add network-scoped alias for the container', { hidden: true }),
  list('publish,p', "Publish a container's port(s) to the host"),
  bool('publish-all,P', 'Publish all exposed ports to random ports'),
  list('expose', 'Expose a port or a range of ports'),
  text('ip', 'IPv4 address (e.g., 172.30.100.104)'),
  text('ip6', 'IPv6 address (e.g., 2001:db8::33)'),
  list('link-local-ip', 'Container IPv4/IPv6 link-local addresses'),
  text('mac-address', 'Container MAC address (e.g., 92:d0:c6:0a:29:33)'),
  list('link', 'Add link to another container', { check: checkLink, ...names }),
  list('add-host', 'Add a custom host-to-IP mapping (host:ip)', { check: parseExtraHost }),
  list('dns', 'Set custom DNS servers', { check: checkDns }),
  list('dns-option', 'Set DNS options'),
  list('dns-opt', 'Set DNS options', { hidden: true }),
  list('dns-search', 'Set custom DNS search domains'),
];

const FILES: readonly Flag[] = [
  list('volume,v', 'Bind mount a volume', { completes: 'volumes' }),
  list('mount', 'Attach a filesystem mount to the container', { placeholder: 'mount', check: parseMount }),
  list('tmpfs', 'Mount a tmpfs directory'),
  list('volumes-from', 'Mount volumes from the specified container(s)', names),
  text('volume-driver', 'Optional volume driver for the container'),
  bool('read-only', "Mount the container's root filesystem as read only"),
  list('storage-opt', 'Storage driver options for the container'),
  list('device', 'Add a host device to the container', { completes: 'files' }),
  list('device-cgroup-rule', 'Add a rule to the cgroup allowed devices list'),
  text('shm-size', 'Size of /dev/shm', bytes),
];

const LIMITS: readonly Flag[] = [
  text('memory,m', 'Memory limit', bytes),
  text('memory-reservation', 'Memory soft limit', bytes),
  text('memory-swap', "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", {
    placeholder: 'bytes',
    check: parseSwap,
  }),
  integer('memory-swappiness', 'Tune container memory swappiness (0 to 100)', { shownDefault: '-1' }),
  text('kernel-memory', 'Kernel memory limit', { ...bytes, hidden: true }),
  text('cpus', 'Number of CPUs', { placeholder: 'decimal', check: parseCpus }),
  integer('cpu-shares,c', 'CPU shares (relative weight)'),
  integer('cpu-period', 'Limit CPU CFS (Completely Fair Scheduler) period'),
  integer('cpu-quota', 'Limit CPU CFS (Completely Fair Scheduler) quota'),
  integer('cpu-rt-period', 'Limit CPU real-time period in microseconds'),
  integer('cpu-rt-runtime', 'Limit CPU real-time runtime in microseconds'),
  text('cpuset-cpus', 'CPUs in which to allow execution (0-3, 0,1)'),
  text('cpuset-mems', 'MEMs in which to allow execution (0-3, 0,1)'),
  integer('blkio-weight', 'Block IO (relative weight), between 10 and 1000, or 0 to disable', {
    placeholder: 'uint16',
    shownDefault: '0',
  }),
  list('blkio-weight-device', 'Block IO weight (relative device weight)', { ...rates, check: parseDeviceWeight }),
  list('device-read-bps', 'Limit read rate (bytes per second) from a device', { ...rates, check: parseDeviceBytes }),
  list('device-write-bps', 'Limit write rate (bytes per second) to a device', { ...rates, check: parseDeviceBytes }),
  list('device-read-iops', 'Limit read rate (IO per second) from a device', { ...rates, check: parseDeviceCount }),
  list('device-write-iops', 'Limit write rate (IO per second) to a device', { ...rates, check: parseDeviceCount }),
  integer('pids-limit', 'Tune container pids limit (set -1 for unlimited)'),
  bool('oom-kill-disable', 'Disable OOM Killer'),
  integer('oom-score-adj', "Tune host's OOM preferences (-1000 to 1000)"),
  list('ulimit', 'Ulimit options', { placeholder: 'ulimit', shownDefault: '[]', check: parseUlimit }),
  text('cgroup-parent', 'Optional parent cgroup for the container'),
];

const ISOLATION: readonly Flag[] = [
  bool('privileged', 'Give extended privileges to this container'),
  list('cap-add', 'Add Linux capabilities'),
  list('cap-drop', 'Drop Linux capabilities'),
  list('security-opt', 'Security Options'),
  list('sysctl', 'Sysctl options', { ...map, check: checkPair }),
  text('pid', 'PID namespace to use', names),
  text('ipc', 'IPC mode to use', names),
  text('uts', 'UTS namespace to use'),
  text('userns', 'User namespace to use'),
  text('cgroupns', 'Cgroup namespace to use (host|private)'),
  text('runtime', 'Runtime to use for this container'),
  text('isolation', 'Container isolation technology'),
  list('gpus', "GPU devices to add to the container ('all' to pass all GPUs)", { placeholder: 'gpu-request' }),
];

const LIFE: readonly Flag[] = [
  bool('init', 'Run an init inside the container that forwards signals and reaps processes'),
  text('restart', 'Restart policy to apply when a container exits', { shownDefault: 'no' }),
  bool('rm', 'Automatically remove the container and its associated anonymous volumes when it exits'),
  text('stop-signal', 'Signal to stop the container'),
  integer('stop-timeout', 'Timeout (in seconds) to stop a container'),
  text('health-cmd', 'Command to run to check health'),
  text('health-interval', 'Time between running the check (ms|s|m|h)', duration),
  text('health-timeout', 'Maximum time to allow one check to run (ms|s|m|h)', duration),
  text(
    'health-start-period',
    'Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)',
    duration,
  ),
  text('health-start-interval', 'Time between running the check during the start period (ms|s|m|h)', duration),
  integer('health-retries', 'Consecutive failures needed to report unhealthy'),
  bool('no-healthcheck', 'Disable any container-specified HEALTHCHECK'),
];

/** The flags of `create`, and of `run` with a few more. */
export const CREATION_FLAGS: readonly Flag[] = [
  ...IDENTITY,
  ...STREAMS,
  ...NETWORK,
  ...FILES,
  ...LIMITS,
  ...ISOLATION,
  ...LIFE,
];

function checkStream(value: string): void {
  if (!['stdin', 'stdout', 'stderr'].includes(value.toLowerCase())) {
    throw new Error('valid streams are STDIN, STDOUT and STDERR');
  }
}
