import { invalid } from '../../base/index.ts';
import type { CreateBody, HostConfigBody } from './container-create.ts';

/** The kernel's. */
const MAX_HOSTNAME = 64;

function refuse(message: string): never {
  throw invalid('invalid_container', message);
}

/** The rules between members of a create call that Docker checks before anything else, with its texts. */
export function validateCreate(body: CreateBody, host: HostConfigBody, mode: string): void {
  validateNetworkMode(body, host, mode);
  validateModes(host);
  if (body.Hostname.length > MAX_HOSTNAME) {
    refuse(`hostname ${JSON.stringify(body.Hostname)} is too long (maximum ${MAX_HOSTNAME} bytes)`);
  }
  validateRestart(host.RestartPolicy);
  validateAutoRemove(host);
  validateHost(host);
  if (body.StopTimeout !== null && body.StopTimeout !== undefined && body.StopTimeout < -1) {
    refuse(`invalid StopTimeout: ${body.StopTimeout}`);
  }
  for (const entry of body.Env)
    if (entry === '' || entry.startsWith('=')) refuse(`invalid environment variable: ${entry}`);
  if (body.WorkingDir !== '' && !body.WorkingDir.startsWith('/')) {
    refuse(`the working directory '${body.WorkingDir}' is invalid, it needs to be an absolute path`);
  }
  for (const entry of host.ExtraHosts) validateExtraHost(entry);
}

function validateNetworkMode(body: CreateBody, host: HostConfigBody, mode: string): void {
  const container = mode === 'container' || mode.startsWith('container:');
  if (mode === 'container' || mode === 'container:') {
    refuse('invalid network mode: invalid container format container:<name|id>');
  }
  if (container && body.Hostname !== '') refuse('conflicting options: hostname and the network mode');
  if (host.UTSMode === 'host' && body.Hostname !== '') refuse('conflicting options: hostname and the UTS mode');
  if (mode === 'host' && host.Links.length > 0) {
    refuse(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
  if (!container) return;
  if (host.Links.length > 0) {
    refuse(
      "conflicting options: container type network can't be used with links. This would result in undefined behavior",
    );
  }
  if (host.Dns.length > 0) refuse('conflicting options: dns and the network mode');
  if (host.ExtraHosts.length > 0) refuse('conflicting options: custom host-to-IP mapping and the network mode');
  if (body.MacAddress !== '') refuse('conflicting options: mac-address and the network mode');
  if (Object.keys(host.PortBindings).length > 0 || host.PublishAllPorts) {
    refuse('conflicting options: port publishing and the container type network mode');
  }
  if (Object.keys(body.ExposedPorts).length > 0) {
    refuse('conflicting options: port exposing and the container type network mode');
  }
}

function validateModes(host: HostConfigBody): void {
  const named = (value: string, known: readonly string[]): boolean =>
    known.includes(value) || /^container:.+/.test(value);
  if (!named(host.IpcMode, ['', 'none', 'private', 'shareable', 'host'])) refuse(`invalid IPC mode: ${host.IpcMode}`);
  if (!named(host.PidMode, ['', 'host'])) refuse(`invalid PID mode: ${host.PidMode}`);
  if (!['', 'host'].includes(host.UTSMode)) refuse(`invalid UTS mode: ${host.UTSMode}`);
  if (!['', 'host'].includes(host.UsernsMode)) refuse(`invalid user namespace mode: ${host.UsernsMode}`);
  if (!['', 'host', 'private'].includes(host.CgroupnsMode))
    refuse(`invalid cgroup namespace mode: ${host.CgroupnsMode}`);
}

/** Also of an update. */
export function validateRestart(policy: HostConfigBody['RestartPolicy']): void {
  const { Name: name = '', MaximumRetryCount: retries = 0 } = policy ?? {};
  if (!['', 'no', 'always', 'unless-stopped', 'on-failure'].includes(name)) {
    refuse(
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (name === 'on-failure' && retries < 0) {
    refuse('invalid restart policy: maximum retry count cannot be negative');
  }
  if (retries !== 0 && name !== '' && name !== 'on-failure') {
    const negative = retries < 0 ? ' and cannot be negative' : '';
    refuse(`invalid restart policy: maximum retry count can only be used with 'on-failure'${negative}`);
  }
}

function validateAutoRemove(host: HostConfigBody): void {
  const name = host.RestartPolicy?.Name ?? '';
  if (host.AutoRemove && !['', 'no'].includes(name)) refuse("can't create 'AutoRemove' container with restart policy");
}

/** What no Linux engine does; limits themselves are judged by the engine, which knows the kernel. */
function validateHost(host: HostConfigBody): void {
  if (host.ShmSize < 0) refuse('SHM size can not be less than 0');
  if (host.OomScoreAdj < -1000 || host.OomScoreAdj > 1000) {
    refuse(`Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  if (!['', 'default'].includes(host.Isolation.toLowerCase())) {
    refuse(`invalid isolation '${host.Isolation}' on linux`);
  }
  if (host.IOMaximumBandwidth !== 0) {
    refuse('invalid option: QoS maximum bandwidth configuration is not supported on linux');
  }
  if (host.IOMaximumIOps !== 0) refuse('invalid option: QoS maximum IOPs configuration is not supported on linux');
  if ('' in host.Annotations) {
    refuse('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  if (Object.keys(host.StorageOpt).length > 0) {
    refuse("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
  }
  const [request] = host.DeviceRequests;
  if (request) {
    const capabilities = request.Capabilities.map((names) => `[${names.join(' ')}]`).join(' ');
    refuse(`could not select device driver ${JSON.stringify(request.Driver)} with capabilities: [${capabilities}]`);
  }
}

function validateExtraHost(entry: string): void {
  const separator = entry.search(/[:=]/);
  if (separator <= 0 || separator === entry.length - 1) refuse(`bad format for add-host: ${JSON.stringify(entry)}`);
}
