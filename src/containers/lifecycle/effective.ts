import { hostname } from 'node:os';
import { type Id, invalid, shortId } from '../../base/index.ts';
import type { ContainerView } from '../contract.ts';
import type { ImageRunConfig } from '../images/index.ts';
import type { ContainerSpec, HealthOptions } from '../options.ts';

/** What runs, after image and request are put together by Docker's rules. Throws when nothing is left to run. */
export function effectiveOf(id: Id, spec: ContainerSpec, image: ImageRunConfig): ContainerView['effective'] {
  const { process: asked } = spec;
  let entrypoint = asked.entrypoint;
  let cmd = asked.cmd ?? [];
  if (entrypoint === undefined || entrypoint.length === 0) {
    if (cmd.length === 0) cmd = image.Cmd ?? [];
    if (entrypoint === undefined) entrypoint = image.Entrypoint ?? [];
  }
  // `--entrypoint ""`: none, not even the image's.
  if (entrypoint.length === 1 && entrypoint[0] === '') entrypoint = [];
  if (entrypoint.length === 0 && cmd.length === 0) throw invalid('no_command', 'no command specified');
  const names = new Set(asked.env.map((entry) => entry.split('=', 1)[0]));
  const inherited = (image.Env ?? []).filter((entry) => !names.has(entry.split('=', 1)[0]));
  const stopSignal = asked.stopSignal || image.StopSignal;
  const health = healthOf(spec.health, image);
  return {
    entrypoint,
    cmd,
    env: [...asked.env, ...inherited],
    workdir: asked.workdir || image.WorkingDir || '',
    user: asked.user || image.User || '',
    hostname: hostnameOf(id, spec),
    labels: { ...image.Labels, ...spec.labels },
    exposed: exposedOf(spec, image),
    volumes: [...new Set([...spec.mounts.anonymous, ...Object.keys(image.Volumes ?? {})])],
    ...(stopSignal && { stopSignal }),
    ...(health && { health }),
  };
}

function hostnameOf(id: Id, spec: ContainerSpec): string {
  if (spec.network.hostname) return spec.network.hostname;
  return spec.network.mode === 'host' || spec.security.utsMode === 'host' ? hostname() : shortId(id);
}

function exposedOf(spec: ContainerSpec, image: ImageRunConfig): { protocol: string; port: number }[] {
  const exposed = new Map<string, { protocol: string; port: number }>();
  const add = (protocol: string, port: number): void => {
    exposed.set(`${port}/${protocol}`, { protocol, port });
  };
  for (const { protocol, port } of spec.network.exposed) add(protocol, port);
  for (const { protocol, containerPort } of spec.network.ports) add(protocol, containerPort);
  for (const key of Object.keys(image.ExposedPorts ?? {})) {
    const [range = '', protocol = 'tcp'] = key.split('/');
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    for (let port = first; port <= last; port += 1) add(protocol, port);
  }
  return [...exposed.values()];
}

function healthOf(own: HealthOptions | undefined, image: ImageRunConfig): HealthOptions | undefined {
  const inherited = image.Healthcheck;
  if (!inherited) return own?.test && own.test.length > 0 ? own : undefined;
  const pick = (mine: number | undefined, theirs: number | undefined): number => mine || theirs || 0;
  return {
    test: own?.test && own.test.length > 0 ? own.test : (inherited.Test ?? []),
    interval: pick(own?.interval, inherited.Interval),
    timeout: pick(own?.timeout, inherited.Timeout),
    startPeriod: pick(own?.startPeriod, inherited.StartPeriod),
    startInterval: pick(own?.startInterval, inherited.StartInterval),
    retries: pick(own?.retries, inherited.Retries),
  };
}
