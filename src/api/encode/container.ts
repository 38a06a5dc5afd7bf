import type { ContainerView, HealthState, MountPoint } from '../../containers/contract.ts';
import type { HealthOptions } from '../../containers/options.ts';
import { encodeHostConfig } from './host-config.ts';
import { statusText } from './human.ts';
import { networkSettings, networksMap, portsList } from './network-settings.ts';

export interface InspectOptions {
  readonly version: number;
  readonly storageDriver: string;
  readonly loggingDriver: string;
}

function healthOf(health: HealthState) {
  return {
    Status: health.status,
    FailingStreak: health.failingStreak,
    Log: health.log.map((entry) => ({
      Start: entry.start,
      End: entry.end,
      ExitCode: entry.exitCode,
      Output: entry.output,
    })),
  };
}

function stateOf({ state }: ContainerView) {
  return {
    Status: state.status,
    // Docker calls paused and restarting containers running as well.
    Running: ['running', 'paused', 'restarting'].includes(state.status),
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: state.status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: state.startedAt,
    FinishedAt: state.finishedAt,
    ...(state.health && state.health.status !== 'none' ? { Health: healthOf(state.health) } : {}),
  };
}

export function encodeMountPoint(mount: MountPoint) {
  return {
    Type: mount.type,
    ...(mount.name === undefined ? {} : { Name: mount.name }),
    Source: mount.source,
    Destination: mount.destination,
    ...(mount.driver === undefined ? {} : { Driver: mount.driver }),
    Mode: mount.mode,
    RW: mount.writable,
    Propagation: mount.propagation,
  };
}

function healthcheckOf(health: HealthOptions) {
  return {
    ...(health.test ? { Test: health.test } : {}),
    ...(health.interval ? { Interval: health.interval } : {}),
    ...(health.timeout ? { Timeout: health.timeout } : {}),
    ...(health.startPeriod ? { StartPeriod: health.startPeriod } : {}),
    ...(health.startInterval ? { StartInterval: health.startInterval } : {}),
    ...(health.retries ? { Retries: health.retries } : {}),
  };
}

function configOf({ spec, effective, id }: ContainerView) {
  const { process, network } = spec;
  const volumes = Object.fromEntries(effective.volumes.map((path) => [path, {}]));
  const exposed = Object.fromEntries(effective.exposed.map(({ port, protocol }) => [`${port}/${protocol}`, {}]));
  return {
    Hostname: effective.hostname || (network.mode.startsWith('container:') ? '' : id.slice(0, 12)),
    Domainname: network.domainname ?? '',
    User: effective.user,
    AttachStdin: process.attachStdin,
    AttachStdout: process.attachStdout,
    AttachStderr: process.attachStderr,
    ...(Object.keys(exposed).length > 0 ? { ExposedPorts: exposed } : {}),
    Tty: process.tty,
    OpenStdin: process.openStdin,
    StdinOnce: process.stdinOnce,
    Env: effective.env,
    Cmd: effective.cmd.length > 0 ? effective.cmd : null,
    ...(effective.health ? { Healthcheck: healthcheckOf(effective.health) } : {}),
    Image: spec.image,
    Volumes: effective.volumes.length > 0 ? volumes : null,
    WorkingDir: effective.workdir,
    Entrypoint: effective.entrypoint.length > 0 ? effective.entrypoint : null,
    ...(network.disabled ? { NetworkDisabled: true } : {}),
    ...(network.mac === undefined ? {} : { MacAddress: network.mac }),
    OnBuild: null,
    Labels: effective.labels,
    ...(effective.stopSignal === undefined ? {} : { StopSignal: effective.stopSignal }),
    ...(process.stopTimeout === undefined ? {} : { StopTimeout: process.stopTimeout }),
  };
}

/** `GET /containers/{id}/json`. */
export function encodeContainer(view: ContainerView, options: InspectOptions) {
  const [path = '', ...args] = [...view.effective.entrypoint, ...view.effective.cmd];
  return {
    Id: view.id,
    Created: view.created,
    Path: path,
    Args: args,
    State: stateOf(view),
    Image: view.imageId,
    ResolvConfPath: view.paths.resolvConf,
    HostnamePath: view.paths.hostname,
    HostsPath: view.paths.hosts,
    LogPath: view.paths.log,
    Name: `/${view.name}`,
    RestartCount: view.state.restartCount,
    Driver: options.storageDriver,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: apparmorOf(view),
    ExecIDs: view.execIds.length > 0 ? view.execIds : null,
    HostConfig: encodeHostConfig(view, options),
    GraphDriver: { Data: null, Name: options.storageDriver },
    ...sizes(view),
    Mounts: view.mounts.map(encodeMountPoint),
    Config: configOf(view),
    NetworkSettings: networkSettings(view, options.version),
  };
}
export type ContainerWire = ReturnType<typeof encodeContainer>;

function apparmorOf({ spec }: ContainerView): string {
  const option = spec.security.securityOpt.findLast((one) => /^apparmor[=:]/.test(one));
  return option?.slice('apparmor='.length) ?? '';
}

function sizes({ size }: ContainerView) {
  return size ? { SizeRw: size.writable, SizeRootFs: size.rootfs } : {};
}

function commandText({ effective }: ContainerView): string {
  return [...effective.entrypoint, ...effective.cmd]
    .map((word) => (word === '' || /\s/.test(word) ? `'${word}'` : word))
    .join(' ');
}

/** One element of `GET /containers/json`. */
export function encodeSummary(view: ContainerView, options: { readonly version: number; readonly nowMs: number }) {
  const { annotations, network, image } = view.spec;
  return {
    Id: view.id,
    Names: [`/${view.name}`],
    Image: image,
    ImageID: view.imageId,
    Command: commandText(view),
    Created: Math.floor(Date.parse(view.created) / 1000),
    Ports: portsList(view),
    Labels: view.effective.labels,
    State: view.state.status,
    Status: statusText(view.state, options.nowMs),
    HostConfig: {
      NetworkMode: network.mode,
      ...(Object.keys(annotations).length > 0 ? { Annotations: annotations } : {}),
    },
    NetworkSettings: { Networks: networksMap(view, options.version) },
    Mounts: view.mounts.map(encodeMountPoint),
    ...sizes(view),
  };
}
export type ContainerSummaryWire = ReturnType<typeof encodeSummary>;
