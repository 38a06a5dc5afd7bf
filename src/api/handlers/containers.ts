import { invalid, systemClock } from '../../base/index.ts';
import type { ResourceOptions } from '../../containers/options.ts';
import type { ApiDeps } from '../deps.ts';
import { encodeContainer, encodeSummary } from '../encode/index.ts';
import {
  boolOf,
  type Call,
  filtersOf,
  intOf,
  noContent,
  ok,
  passesLabels,
  type Route,
  textOf,
  timeOf,
} from '../http/index.ts';
import { CreateBody, parseCreate, parseResources, parseRestart, UpdateBody, validateRestart } from '../wire/index.ts';

type Deps = Pick<ApiDeps, 'containers' | 'facts' | 'clock'>;

const LIST_FILTERS = [
  'ancestor',
  'before',
  'expose',
  'exited',
  'health',
  'id',
  'isolation',
  'is-task',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
];

/** Life cycle; what streams is in its own file. */
export function containerRoutes(deps: Deps): Route[] {
  const { containers } = deps;
  const ref = (call: Call): string => call.params.id ?? '';
  const done = async (work: Promise<unknown>) => {
    await work;
    return noContent();
  };
  return [
    { method: 'GET', path: '/containers/json', handle: (call) => list(deps, call) },
    { method: 'POST', path: '/containers/create', handle: (call) => create(deps, call) },
    { method: 'POST', path: '/containers/prune', handle: (call) => prune(deps, call) },
    { method: 'GET', path: '/containers/:id/json', handle: (call) => inspect(deps, call) },
    { method: 'POST', path: '/containers/:id/start', handle: (call) => done(containers.start(ref(call))) },
    { method: 'POST', path: '/containers/:id/stop', handle: (call) => done(containers.stop(ref(call), ending(call))) },
    {
      method: 'POST',
      path: '/containers/:id/restart',
      handle: (call) => done(containers.restart(ref(call), ending(call))),
    },
    {
      method: 'POST',
      path: '/containers/:id/kill',
      handle: (call) => done(containers.kill(ref(call), textOf(call.query, 'signal'))),
    },
    { method: 'POST', path: '/containers/:id/pause', handle: (call) => done(containers.pause(ref(call))) },
    { method: 'POST', path: '/containers/:id/unpause', handle: (call) => done(containers.unpause(ref(call))) },
    { method: 'POST', path: '/containers/:id/rename', handle: (call) => rename(deps, call) },
    { method: 'POST', path: '/containers/:id/update', handle: (call) => update(deps, call) },
    { method: 'GET', path: '/containers/:id/top', handle: (call) => top(deps, call) },
    { method: 'DELETE', path: '/containers/:id', handle: (call) => done(containers.remove(ref(call), removal(call))) },
  ];
}

function ending(call: Call): { readonly signal?: string; readonly timeout?: number } {
  const signal = textOf(call.query, 'signal');
  const timeout = intOf(call.query, 't');
  return { ...(signal === undefined ? {} : { signal }), ...(timeout === undefined ? {} : { timeout }) };
}

function removal({ query }: Call) {
  return { force: boolOf(query, 'force'), volumes: boolOf(query, 'v'), link: boolOf(query, 'link') };
}

async function list({ containers, clock = systemClock }: Deps, call: Call) {
  const { query, version } = call;
  const limit = intOf(query, 'limit');
  const views = await containers.list({
    all: boolOf(query, 'all'),
    size: boolOf(query, 'size'),
    ...(limit === undefined || limit <= 0 ? {} : { limit }),
    filters: filtersOf(query, LIST_FILTERS),
  });
  return ok(views.map((view) => encodeSummary(view, { version, nowMs: clock.now() })));
}

async function inspect({ containers, facts }: Deps, call: Call) {
  const [view, { storageDriver, loggingDriver }] = await Promise.all([
    containers.inspect(call.params.id ?? '', { size: boolOf(call.query, 'size') }),
    facts(),
  ]);
  return ok(encodeContainer(view, { version: call.version, storageDriver, loggingDriver }));
}

async function create({ containers }: Deps, call: Call) {
  const body = await call.json(CreateBody);
  if (!body) throw invalid('empty_body', 'config cannot be empty in order to create a container');
  if (body.Image === '') throw invalid('no_image', 'invalid reference format: no image specified');
  const platform = textOf(call.query, 'platform');
  const request = parseCreate(body, { version: call.version, ...(platform === undefined ? {} : { platform }) });
  const name = textOf(call.query, 'name')?.replace(/^\//, '');
  const { spec, networks } = request;
  const { id, warnings } = await containers.create({ ...(name === undefined ? {} : { name }), spec, networks });
  return ok({ Id: id, Warnings: [...request.warnings, ...warnings] }, 201);
}

async function rename({ containers }: Deps, call: Call) {
  const name = textOf(call.query, 'name')?.replace(/^\//, '');
  if (name === undefined) throw invalid('invalid_name', 'Neither old nor new names may be empty');
  await containers.rename(call.params.id ?? '', name);
  return noContent();
}

async function update({ containers }: Deps, call: Call) {
  const body = await call.json(UpdateBody);
  if (!body) throw invalid('empty_body', 'invalid JSON: got EOF while reading request body');
  validateRestart(body.RestartPolicy);
  const resources: Partial<ResourceOptions> = parseResources(body);
  const warnings = await containers.update(call.params.id ?? '', {
    ...(Object.keys(resources).length > 0 ? { resources } : {}),
    ...(body.RestartPolicy?.Name ? { restart: parseRestart(body.RestartPolicy) } : {}),
  });
  return ok({ Warnings: warnings.length > 0 ? warnings : null });
}

async function top({ containers }: Deps, call: Call) {
  const { titles, processes } = await containers.top(call.params.id ?? '', textOf(call.query, 'ps_args'));
  return ok({ Titles: titles, Processes: processes });
}

async function prune({ containers, clock = systemClock }: Deps, call: Call) {
  const filters = filtersOf(call.query, ['label', 'label!', 'until']);
  const limits = (filters.until ?? []).map((text) => Number(timeOf(text, clock.now()) / 1_000_000n));
  const { removed, space } = await containers.prune((view) => {
    const young = limits.some((limit) => Date.parse(view.created) >= limit);
    return young || !passesLabels(view.effective.labels, filters);
  });
  return ok({ ContainersDeleted: removed.length > 0 ? removed : null, SpaceReclaimed: space });
}
