import * as v from 'valibot';
import { invalid, parseMac, tryParseIp } from '../../base/index.ts';
import type { ContainerSpec, HealthOptions, ResourceOptions, RestartPolicy } from '../../containers/options.ts';
import {
  type CreateBody,
  type HostConfigBody,
  HostConfigBody as HostConfigSchema,
  type UpdateBody,
} from './container-create.ts';
import { type CreateNetworks, parseNetworks } from './endpoint.ts';
import { parseMounts } from './mounts.ts';
import { parseBindings, parseExposed } from './ports.ts';
import { validateCreate } from './validate.ts';

export interface CreateRequest extends CreateNetworks {
  readonly spec: ContainerSpec;
}

/** `undefined` members stay out, because the spec is stored as it is. */
function given<K extends string, T>(key: K, value: T | null | undefined | ''): { [key in K]?: T } {
  return value === null || value === undefined || value === '' ? {} : ({ [key]: value } as { [key in K]?: T });
}

export function normalizeMode(mode: string): string {
  return mode === '' || mode === 'default' ? 'bridge' : mode;
}

/** Turns a create call into what the engine understands; refuses what contradicts itself. */
export function parseCreate(body: CreateBody, options: { version: number; platform?: string }): CreateRequest {
  const host = body.HostConfig ?? v.parse(HostConfigSchema, {});
  const mode = normalizeMode(host.NetworkMode);
  validateCreate(body, host, mode);
  const { networks, warnings: ofNetworks } = parseNetworks(body, mode, options.version);
  const warnings = [...ofNetworks, ...warningsOf(host)];
  const health = body.Healthcheck ? healthOf(body.Healthcheck) : undefined;
  return {
    networks,
    warnings,
    spec: {
      image: body.Image,
      ...given('platform', options.platform),
      process: processOf(body, host),
      ...given('health', health),
      network: networkOf(body, host, mode),
      mounts: parseMounts(body, host, options.version),
      resources: resourcesOf(host),
      security: securityOf(host),
      restart: parseRestart(host.RestartPolicy),
      log: { driver: host.LogConfig?.Type ?? '', options: host.LogConfig?.Config ?? {} },
      autoRemove: host.AutoRemove,
      labels: body.Labels,
      annotations: host.Annotations,
      ...given('runtime', host.Runtime),
    },
  };
}

function warningsOf(host: HostConfigBody): string[] {
  const warnings: string[] = [];
  if (host.CpuPercent > 0) warnings.push('linux does not support CPU percent. Percent discarded.');
  if (host.KernelMemory > 0) {
    warnings.push('Specifying a kernel memory limit is deprecated and will be removed in a future release.');
  }
  return warnings;
}

function processOf(body: CreateBody, host: HostConfigBody): ContainerSpec['process'] {
  const entrypoint = body.Entrypoint && body.Entrypoint.length > 0 ? body.Entrypoint : undefined;
  return {
    // A single empty word clears the image's entrypoint.
    ...given('entrypoint', entrypoint?.length === 1 && entrypoint[0] === '' ? [] : entrypoint),
    ...given('cmd', body.Cmd && body.Cmd.length > 0 ? body.Cmd : undefined),
    env: body.Env,
    ...given('workdir', body.WorkingDir),
    ...given('user', body.User),
    groupAdd: host.GroupAdd,
    tty: body.Tty,
    ...given('consoleSize', consoleSizeOf(host)),
    openStdin: body.OpenStdin,
    stdinOnce: body.StdinOnce,
    attachStdin: body.AttachStdin,
    attachStdout: body.AttachStdout,
    attachStderr: body.AttachStderr,
    ...given('stopSignal', body.StopSignal),
    ...given('stopTimeout', body.StopTimeout),
    ...given('init', host.Init),
  };
}

function consoleSizeOf({ ConsoleSize: size }: HostConfigBody): ContainerSpec['process']['consoleSize'] {
  return size && size[0] > 0 && size[1] > 0 ? { height: size[0], width: size[1] } : undefined;
}

function healthOf(body: NonNullable<CreateBody['Healthcheck']>): HealthOptions {
  const { Test: test } = body;
  const [kind] = test;
  if (kind !== undefined && !['NONE', 'CMD', 'CMD-SHELL'].includes(kind)) {
    throw invalid('invalid_health', `Unknown healthcheck type ${JSON.stringify(kind)} (expected 'CMD')`);
  }
  const { Interval, Timeout, StartPeriod, StartInterval } = body;
  for (const [name, value] of Object.entries({ Interval, Timeout, StartPeriod, StartInterval })) {
    if (value !== 0 && value < 1_000_000)
      throw invalid('invalid_health', `${name} in Healthcheck cannot be less than 1ms`);
  }
  if (body.Retries < 0) throw invalid('invalid_health', 'Retries in Healthcheck cannot be negative');
  return {
    ...given('test', test.length > 0 ? test : undefined),
    interval: body.Interval,
    timeout: body.Timeout,
    startPeriod: body.StartPeriod,
    startInterval: body.StartInterval,
    retries: body.Retries,
  };
}

function networkOf(body: CreateBody, host: HostConfigBody, mode: string): ContainerSpec['network'] {
  const ports = parseBindings(host.PortBindings);
  const exposed = parseExposed({ ...body.ExposedPorts, ...host.PortBindings });
  return {
    ...given('hostname', body.Hostname),
    ...given('domainname', body.Domainname),
    mode,
    disabled: body.NetworkDisabled,
    ports,
    exposed,
    publishAll: host.PublishAllPorts,
    dns: host.Dns.map((text) => {
      const ip = tryParseIp(text);
      if (ip === undefined) throw invalid('invalid_dns', `invalid IP address: ${text} is not a DNS server's`);
      return ip;
    }),
    dnsSearch: host.DnsSearch,
    dnsOptions: host.DnsOptions,
    extraHosts: host.ExtraHosts,
    links: host.Links,
    ...(body.MacAddress === '' ? {} : { mac: parseMac(body.MacAddress) }),
  };
}

function resourcesOf(host: HostConfigBody): ResourceOptions {
  return {
    memory: host.Memory,
    memorySwap: host.MemorySwap,
    memoryReservation: host.MemoryReservation,
    ...given('memorySwappiness', host.MemorySwappiness === -1 ? undefined : host.MemorySwappiness),
    oomKillDisable: host.OomKillDisable ?? false,
    nanoCpus: host.NanoCpus,
    cpuShares: host.CpuShares,
    cpuPeriod: host.CpuPeriod,
    cpuQuota: host.CpuQuota,
    cpusetCpus: host.CpusetCpus,
    cpusetMems: host.CpusetMems,
    // Zero is how clients say that they said nothing.
    ...given('pidsLimit', host.PidsLimit === 0 ? undefined : host.PidsLimit),
    ...given('cpuRealtimePeriod', host.CpuRealtimePeriod || undefined),
    ...given('cpuRealtimeRuntime', host.CpuRealtimeRuntime || undefined),
    blkioWeight: host.BlkioWeight,
    ...blockDevicesOf(host),
    ulimits: host.Ulimits.map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard })),
    devices: host.Devices.map((device) => ({
      host: device.PathOnHost,
      container: device.PathInContainer || device.PathOnHost,
      permissions: device.CgroupPermissions || 'rwm',
    })),
    deviceCgroupRules: host.DeviceCgroupRules,
    cgroupParent: host.CgroupParent,
  };
}

type BlockDevices = 'blkioWeightDevices' | 'blkioReadBps' | 'blkioWriteBps' | 'blkioReadIops' | 'blkioWriteIops';

function blockDevicesOf(host: HostConfigBody): Pick<ResourceOptions, BlockDevices> {
  const rates = (list: HostConfigBody['BlkioDeviceReadBps']) =>
    list.length > 0 ? list.map(({ Path: path, Rate: rate }) => ({ path, rate })) : undefined;
  const weights = host.BlkioWeightDevice.map(({ Path: path, Weight: weight }) => ({ path, weight }));
  return {
    ...given('blkioWeightDevices', weights.length > 0 ? weights : undefined),
    ...given('blkioReadBps', rates(host.BlkioDeviceReadBps)),
    ...given('blkioWriteBps', rates(host.BlkioDeviceWriteBps)),
    ...given('blkioReadIops', rates(host.BlkioDeviceReadIOps)),
    ...given('blkioWriteIops', rates(host.BlkioDeviceWriteIOps)),
  };
}

function securityOf(host: HostConfigBody): ContainerSpec['security'] {
  return {
    privileged: host.Privileged,
    capAdd: host.CapAdd ?? [],
    capDrop: host.CapDrop ?? [],
    securityOpt: host.SecurityOpt,
    readonlyRootfs: host.ReadonlyRootfs,
    ...given('maskedPaths', host.MaskedPaths),
    ...given('readonlyPaths', host.ReadonlyPaths),
    pidMode: host.PidMode,
    ipcMode: host.IpcMode,
    utsMode: host.UTSMode,
    usernsMode: host.UsernsMode,
    cgroupnsMode: host.CgroupnsMode,
    sysctls: host.Sysctls,
    shmSize: host.ShmSize,
    oomScoreAdj: host.OomScoreAdj,
  };
}

export function parseRestart(body: HostConfigBody['RestartPolicy']): RestartPolicy {
  const name = body?.Name || 'no';
  return { name: name as RestartPolicy['name'], maximumRetryCount: body?.MaximumRetryCount ?? 0 };
}

const ASKED: readonly (readonly [keyof UpdateBody, keyof ResourceOptions])[] = [
  ['Memory', 'memory'],
  ['MemorySwap', 'memorySwap'],
  ['MemoryReservation', 'memoryReservation'],
  ['NanoCpus', 'nanoCpus'],
  ['CpuShares', 'cpuShares'],
  ['CpuPeriod', 'cpuPeriod'],
  ['CpuRealtimePeriod', 'cpuRealtimePeriod'],
  ['CpuRealtimeRuntime', 'cpuRealtimeRuntime'],
  ['CpuQuota', 'cpuQuota'],
  ['CpusetCpus', 'cpusetCpus'],
  ['CpusetMems', 'cpusetMems'],
  ['BlkioWeight', 'blkioWeight'],
];

/** For an update: a member left zero or empty stays as it is. */
export function parseResources(body: UpdateBody): Partial<ResourceOptions> {
  const asked = ASKED.filter(([wire]) => Boolean(body[wire])).map(([wire, name]) => [name, body[wire]]);
  const { PidsLimit: pids } = body;
  return {
    ...Object.fromEntries(asked),
    // Said at all, zero and everything below lifts the limit.
    ...(pids === null || pids === undefined ? {} : { pidsLimit: pids > 0 ? pids : -1 }),
  };
}
