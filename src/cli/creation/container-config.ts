import type { ContainerConfig, CreateContainer, HealthConfig } from '../../client/index.ts';
import type { Flags } from '../grammar/index.ts';
import {
  type Environment,
  environment,
  labels,
  networking,
  parseDuration,
  parseExposed,
  parsePublished,
  parseVolumes,
} from '../values/index.ts';
import { hostConfig } from './host-config.ts';

/** Turns the command line of `run` and `create` into what the daemon is asked for. */
export function creationBody(flags: Flags, words: readonly string[], env: Environment): CreateContainer {
  const [image = '', ...command] = words;
  if (flags.given('gpus')) {
    throw new Error('--gpus is not supported: this engine hands no GPUs to containers; pass a device with --device');
  }
  const links = flags.list('link');
  const network = networking([...flags.list('network'), ...flags.list('net')], {
    aliases: [...flags.list('network-alias'), ...flags.list('net-alias')],
    links,
    linkLocalIps: flags.list('link-local-ip'),
    ip: flags.text('ip'),
    ip6: flags.text('ip6'),
    mac: flags.text('mac-address').trim(),
  });
  const published = parsePublished(flags.list('publish'));
  const exposed = Object.fromEntries(parseExposed(flags.list('expose')).map((port) => [port, {}]));
  const volumes = parseVolumes(flags.list('volume'));
  return {
    ...containerConfig(flags, { image, command, env }),
    Volumes: volumes.anonymous,
    ExposedPorts: { ...exposed, ...published.exposed },
    HostConfig: {
      ...hostConfig(flags),
      Binds: volumes.binds,
      NetworkMode: network.mode,
      PortBindings: published.bindings,
      Links: links,
    },
    NetworkingConfig: { EndpointsConfig: network.endpoints },
  };
}

export interface Attached {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Which streams `run` attaches: those named with `-a`, else output always and input with `-i`. */
export function attachedStreams(flags: Flags): Attached {
  const named = new Set(flags.list('attach').map((name) => name.toLowerCase()));
  if (named.size > 0) return { stdin: named.has('stdin'), stdout: named.has('stdout'), stderr: named.has('stderr') };
  return { stdin: flags.bool('interactive'), stdout: true, stderr: true };
}

function containerConfig(
  flags: Flags,
  what: { image: string; command: readonly string[]; env: Environment },
): Omit<ContainerConfig, 'Volumes'> {
  const attached = attachedStreams(flags);
  const interactive = flags.bool('interactive');
  const entrypoint = flags.maybe('entrypoint');
  const stopTimeout = flags.integer('stop-timeout');
  const health = healthConfig(flags);
  return {
    Hostname: flags.text('hostname'),
    Domainname: flags.text('domainname'),
    User: flags.text('user'),
    AttachStdin: attached.stdin,
    AttachStdout: attached.stdout,
    AttachStderr: attached.stderr,
    Tty: flags.bool('tty'),
    OpenStdin: interactive,
    // The container's stdin ends with the first client's: `echo x | fairway run -i image cat` must end.
    StdinOnce: attached.stdin && interactive,
    Env: environment({ files: flags.list('env-file'), flags: flags.list('env') }, what.env),
    Cmd: what.command.length === 0 ? null : what.command,
    Image: what.image,
    WorkingDir: flags.text('workdir'),
    Entrypoint: entrypoint === undefined ? null : [entrypoint],
    Labels: labels({ files: flags.list('label-file'), flags: flags.list('label') }),
    ...(flags.given('stop-signal') ? { StopSignal: flags.text('stop-signal') } : {}),
    ...(stopTimeout === undefined ? {} : { StopTimeout: stopTimeout }),
    ...(health === undefined ? {} : { Healthcheck: health }),
  };
}

function healthConfig(flags: Flags): HealthConfig | undefined {
  const names = ['cmd', 'interval', 'timeout', 'start-period', 'start-interval', 'retries'];
  const given = names.some((name) => flags.given(`health-${name}`));
  if (flags.bool('no-healthcheck')) {
    if (given) throw new Error('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!given) return undefined;
  const nanos = (name: string): number => {
    const value = parseDuration(flags.text(`health-${name}`) || '0s');
    if (value < 0) throw new Error(`--health-${name} cannot be negative`);
    return value;
  };
  const retries = flags.integer('health-retries') ?? 0;
  if (retries < 0) throw new Error('--health-retries cannot be negative');
  const command = flags.text('health-cmd');
  return {
    ...(command === '' ? {} : { Test: ['CMD-SHELL', command] }),
    Interval: nanos('interval'),
    Timeout: nanos('timeout'),
    StartPeriod: nanos('start-period'),
    StartInterval: nanos('start-interval'),
    Retries: retries,
  };
}
