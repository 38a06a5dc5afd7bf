import { invalid, isKind } from '../../base/index.ts';
import type { ContainerFilter, ContainerView } from '../contract.ts';

export interface FilterContext {
  /** Docker's `before` and `since`: the creation time of another container. */
  readonly createdOf: (ref: string) => string;
  /** Ids of the image and of its ancestors' layers are not kept: an image is its id and its names. */
  readonly imageIdOf: (ref: string) => Promise<string>;
}

const KEYS = new Set(
  'ancestor before exited expose health id is-task isolation label name network publish since status volume'.split(' '),
);
const STATUSES = new Set('created restarting running removing paused exited dead'.split(' '));
const HEALTH = new Set('starting healthy unhealthy none'.split(' '));

type Predicate = (view: ContainerView) => boolean;

/** Newest first in, the matching ones out. Throws with Docker's texts for keys and values that are not known. */
export async function filterContainers(
  views: readonly ContainerView[],
  filter: ContainerFilter,
  context: FilterContext,
): Promise<ContainerView[]> {
  const predicates: Predicate[] = [];
  for (const [key, values] of Object.entries(filter.filters)) {
    if (!KEYS.has(key)) throw invalid('invalid_filter', `invalid filter '${key}'`);
    if (values.length > 0) predicates.push(await predicateOf(key, values, context));
  }
  const asksForStopped = ['status', 'exited'].some((key) => (filter.filters[key]?.length ?? 0) > 0);
  const hasLimit = filter.limit !== undefined && filter.limit > 0;
  const shown = views.filter(
    (view) => (filter.all || asksForStopped || hasLimit || isUp(view)) && predicates.every((holds) => holds(view)),
  );
  return hasLimit ? shown.slice(0, filter.limit) : shown;
}

function isUp({ state }: ContainerView): boolean {
  return state.status === 'running' || state.status === 'paused' || state.status === 'restarting';
}

async function predicateOf(key: string, values: readonly string[], context: FilterContext): Promise<Predicate> {
  switch (key) {
    case 'id':
      return ({ id }) => values.some((value) => id.startsWith(value) || matches(value, id));
    case 'name':
      return ({ name }) => values.some((value) => matches(value, `/${name}`) || matches(value, name));
    case 'status':
      assertKnown(key, values, STATUSES);
      return ({ state }) => values.includes(state.status);
    case 'health':
      assertKnown(key, values, HEALTH);
      return ({ state }) => values.includes(state.health?.status ?? 'none');
    case 'exited': {
      const codes = values.map((value) => {
        if (!/^-?\d+$/.test(value)) throw invalid('invalid_filter', `invalid filter 'exited=${value}'`);
        return Number(value);
      });
      return ({ state }) => state.status === 'exited' && codes.includes(state.exitCode);
    }
    case 'label':
      return ({ effective }) => values.every((value) => hasLabel(effective.labels, value));
    case 'network':
      return ({ networks, endpoints }) =>
        values.some(
          (value) =>
            networks.some(({ name, networkId }) => name === value || networkId?.startsWith(value)) ||
            endpoints.some(({ networkId }) => networkId.startsWith(value)),
        );
    case 'publish':
      return portPredicate(values, (view) =>
        view.published.map(({ hostPort, protocol }) => ({ port: hostPort, protocol })),
      );
    case 'expose':
      return portPredicate(values, (view) => view.effective.exposed);
    case 'volume':
      return ({ mounts }) =>
        values.some((value) => mounts.some(({ name, destination }) => name === value || destination === value));
    case 'ancestor': {
      const ids = new Set<string>();
      for (const value of values) {
        try {
          ids.add(await context.imageIdOf(value));
        } catch (error) {
          if (!isKind(error, 'notFound')) throw error;
        }
      }
      return ({ imageId, spec }) => ids.has(imageId) || values.includes(spec.image);
    }
    case 'before': {
      const times = values.map(context.createdOf);
      return ({ created }) => times.every((time) => created < time);
    }
    case 'since': {
      const times = values.map(context.createdOf);
      return ({ created }) => times.every((time) => created > time);
    }
    case 'is-task':
      return () => !values.includes('true') && !values.includes('1');
    default:
      return () => true;
  }
}

function assertKnown(key: string, values: readonly string[], known: ReadonlySet<string>): void {
  const bad = values.find((value) => !known.has(value));
  if (bad !== undefined) throw invalid('invalid_filter', `invalid filter '${key}=${bad}'`);
}

/** Docker matches names as regular expressions; text that is none is compared as it is. */
function matches(pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern).test(text);
  } catch {
    return text === pattern;
  }
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf('=');
  return at < 0 ? wanted in labels : labels[wanted.slice(0, at)] === wanted.slice(at + 1);
}

function portPredicate(
  values: readonly string[],
  portsOf: (view: ContainerView) => readonly { readonly port: number; readonly protocol: string }[],
): Predicate {
  const wanted = values.map((value) => {
    const parts = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(value);
    if (!parts) throw invalid('invalid_filter', `invalid filter: invalid port: ${value}`);
    return { first: Number(parts[1]), last: Number(parts[2] ?? parts[1]), protocol: parts[3] ?? 'tcp' };
  });
  return (view) =>
    portsOf(view).some(({ port, protocol }) =>
      wanted.some((one) => port >= one.first && port <= one.last && protocol === one.protocol),
    );
}
