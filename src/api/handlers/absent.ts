import { Writable } from 'node:stream';
import { FairwayError, notFound, unavailable } from '../../base/index.ts';
import type { ApiDeps } from '../deps.ts';
import { type Answer, type Call, type Hijack, ok, type Route } from '../http/index.ts';
import { authOf } from './images.ts';

/** Parts of Docker's API that an engine may lack: each says so with the text its clients know how to take. */
export function absentRoutes(deps: Pick<ApiDeps, 'registry'>): Route[] {
  const routes: Route[] = [];
  const answer = (methods: readonly Route['method'][], paths: readonly string[], handle: () => never): void => {
    for (const method of methods) for (const path of paths) routes.push({ method, path, handle: async () => handle() });
  };
  const every = ['GET', 'POST', 'DELETE'] as const;
  answer(['POST'], ['/swarm/init', '/swarm/join'], () => {
    throw unsupported('this engine has no swarm mode');
  });
  answer(['POST'], ['/swarm/leave'], () => {
    throw unavailable('no_swarm', 'This node is not part of a swarm');
  });
  answer(every, ['/swarm', '/swarm/:rest*'], notManager);
  for (const kind of ['services', 'tasks', 'nodes', 'secrets', 'configs']) {
    answer(every, [`/${kind}`, `/${kind}/:rest*`], notManager);
  }
  answer(['POST'], ['/build'], () => {
    throw unsupported(
      'building images is not part of this engine: build elsewhere (docker buildx, buildah), then bring the image here with "docker load"',
    );
  });
  // A client of BuildKit opens its session first and shows no reason when that is refused; the build tells it.
  routes.push({ method: 'POST', path: '/session', hijack: async () => idleSession() });
  answer(['POST'], ['/grpc'], () => {
    throw unsupported('this engine has no BuildKit');
  });
  answer(['POST'], ['/build/cancel'], () => {
    throw unsupported('this engine has no builds to cancel');
  });
  routes.push(
    // `docker system prune` asks it too; there is no cache, so nothing goes.
    { method: 'POST', path: '/build/prune', handle: async () => ok({ CachesDeleted: null, SpaceReclaimed: 0 }) },
    { method: 'GET', path: '/plugins', handle: async () => ok([]) },
    { method: 'GET', path: '/plugins/:name*/json', handle: async (call) => noPlugin(call) },
    { method: 'GET', path: '/distribution/:name*/json', handle: (call) => describe(deps, call) },
  );
  answer(['GET', 'POST', 'DELETE'], ['/plugins/:rest*'], () => {
    throw unsupported('managed plugins are not supported');
  });
  return routes;
}

/** Reads what comes until the client leaves, and says nothing. */
function idleSession(): Hijack {
  const stdin = new Writable({ write: (_chunk, _encoding, done) => done() });
  return { multiplexedType: false, session: { tty: true, stdin, detach: () => stdin.destroy() } };
}

function unsupported(message: string): FairwayError {
  return new FairwayError(message, { code: 'not_supported', kind: 'unsupported' });
}

function notManager(): never {
  throw unavailable(
    'not_a_manager',
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
}

function noPlugin(call: Call): never {
  throw notFound('no_plugin', `plugin ${JSON.stringify(call.params.name)} not found`);
}

async function describe({ registry }: Pick<ApiDeps, 'registry'>, call: Call): Promise<Answer> {
  const find = registry?.describe?.bind(registry);
  if (!find) throw unsupported(`cannot look up ${JSON.stringify(call.params.name)}: no registry is configured`);
  const { descriptor, platforms } = await find(call.params.name ?? '', authOf(call));
  return ok({ Descriptor: descriptor, Platforms: platforms });
}
