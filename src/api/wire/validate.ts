import { invalid } from '../../base/index.ts';
import type { CreateBody, HostConfigBody } from './container-create.ts';

function refuse(message: string): never {
  throw invalid('invalid_container', message);
}

/** The rules between members of a create call that Docker checks before anything else, with its texts. */
export function validateCreate(body: CreateBody, host: HostConfigBody, mode: string): void {
  validateNetworkMode(body, host, mode);
  validateModes(host);
  validateRestart(host);
  validateResources(host);
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

function validateRestart(host: HostConfigBody): void {
  const { Name: name = '', MaximumRetryCount: retries = 0 } = host.RestartPolicy ?? {};
  if (!['', 'no', 'always', 'unless-stopped', 'on-failure'].includes(name)) {
    refuse(
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (retries < 0) refuse('invalid restart policy: maximum retry count cannot be negative');
  if (retries > 0 && name !== 'on-failure') {
    refuse("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (host.AutoRemove && !['', 'no'].includes(name)) refuse("can't create 'AutoRemove' container with restart policy");
}

const SIX_MIB = 6 * 1024 * 1024;

function validateResources(host: HostConfigBody): void {
  if (host.Memory < 0) refuse(`invalid memory limit: ${host.Memory}`);
  if (host.Memory > 0 && host.Memory < SIX_MIB) refuse('Minimum memory limit allowed is 6MB');
  if (host.Memory > 0 && host.MemorySwap > 0 && host.MemorySwap < host.Memory) {
    refuse('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (host.NanoCpus < 0) refuse(`invalid CPU count: ${host.NanoCpus / 1e9}`);
  if (host.NanoCpus > 0 && host.CpuQuota > 0)
    refuse('Conflicting options: Nano CPUs and CPU Quota cannot both be set.');
  if (host.NanoCpus > 0 && host.CpuPeriod > 0)
    refuse('Conflicting options: Nano CPUs and CPU Period cannot both be set.');
  if (host.ShmSize < 0) refuse('SHM size can not be less than 0');
  if (host.OomScoreAdj < -1000 || host.OomScoreAdj > 1000) {
    refuse(`Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
}

function validateExtraHost(entry: string): void {
  const separator = entry.search(/[:=]/);
  if (separator <= 0 || separator === entry.length - 1) refuse(`bad format for add-host: ${JSON.stringify(entry)}`);
}
