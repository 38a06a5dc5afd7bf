import type { VolumeView } from '../../containers/contract.ts';
import type { ApiDeps } from '../deps.ts';
import { encodeVolume } from '../encode/index.ts';
import {
  type Answer,
  boolFilter,
  boolOf,
  type Call,
  type Filters,
  filtersOf,
  hasLabels,
  noContent,
  ok,
  passesLabels,
  type Route,
} from '../http/index.ts';
import { VolumeCreateBody } from '../wire/index.ts';

type Deps = Pick<ApiDeps, 'volumes'>;

/** Before this version prune took named volumes too. */
const PRUNES_ANONYMOUS_ONLY = 42;

export function volumeRoutes(deps: Deps): Route[] {
  const { volumes } = deps;
  const name = (call: Call): string => call.params.name ?? '';
  return [
    { method: 'GET', path: '/volumes', handle: (call) => list(deps, call) },
    { method: 'POST', path: '/volumes/create', handle: (call) => create(deps, call) },
    { method: 'POST', path: '/volumes/prune', handle: (call) => prune(deps, call) },
    {
      method: 'GET',
      path: '/volumes/:name',
      handle: async (call) => ok(encodeVolume(await volumes.inspect(name(call)))),
    },
    {
      method: 'DELETE',
      path: '/volumes/:name',
      handle: async (call) => {
        await volumes.remove(name(call), { force: boolOf(call.query, 'force') });
        return noContent();
      },
    },
  ];
}

async function list({ volumes }: Deps, call: Call): Promise<Answer> {
  const filters = filtersOf(call.query, ['dangling', 'driver', 'label', 'name']);
  const kept = (await volumes.list()).filter((volume) => passes(volume, filters, () => volumes.usedBy(volume.name)));
  return ok({ Volumes: kept.map((volume) => encodeVolume(volume)), Warnings: null });
}

function passes(volume: VolumeView, filters: Filters, users: () => readonly string[]): boolean {
  const dangling = boolFilter(filters, 'dangling');
  if (dangling !== undefined && dangling !== (users().length === 0)) return false;
  if (filters.driver && !filters.driver.includes(volume.driver)) return false;
  if (filters.name && !filters.name.some((part) => volume.name.includes(part))) return false;
  return hasLabels(volume.labels, filters.label);
}

async function create({ volumes }: Deps, call: Call): Promise<Answer> {
  const body = await call.json(VolumeCreateBody);
  const volume = await volumes.create({
    ...(body?.Name ? { name: body.Name } : {}),
    ...(body?.Driver ? { driver: body.Driver } : {}),
    labels: body?.Labels ?? {},
    options: body?.DriverOpts ?? {},
  });
  return ok(encodeVolume(volume), 201);
}

async function prune({ volumes }: Deps, call: Call): Promise<Answer> {
  const filters = filtersOf(call.query, ['all', 'label', 'label!']);
  const all = call.version < PRUNES_ANONYMOUS_ONLY || boolFilter(filters, 'all') === true;
  const { removed, space } = await volumes.prune(
    (volume) => !(all || volume.anonymous) || !passesLabels(volume.labels, filters),
  );
  return ok({ VolumesDeleted: removed.length > 0 ? removed : null, SpaceReclaimed: space });
}
