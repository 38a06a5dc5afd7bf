import { invalid } from '../../base/index.ts';
import type { PathStat } from '../../containers/contract.ts';
import type { ApiDeps } from '../deps.ts';
import { type Answer, boolOf, type Call, ok, type Route, textOf } from '../http/index.ts';

type Deps = Pick<ApiDeps, 'files'>;

/** `docker cp`, `diff`, `export` and `commit`. */
export function fileRoutes(deps: Deps): Route[] {
  return [
    { method: 'HEAD', path: '/containers/:id/archive', handle: (call) => stat(deps, call) },
    { method: 'GET', path: '/containers/:id/archive', handle: (call) => read(deps, call) },
    { method: 'PUT', path: '/containers/:id/archive', handle: (call) => write(deps, call) },
    { method: 'GET', path: '/containers/:id/changes', handle: (call) => changes(deps, call) },
    { method: 'GET', path: '/containers/:id/export', handle: (call) => exportTree(deps, call) },
    { method: 'POST', path: '/commit', handle: (call) => commit(deps, call) },
  ];
}

function pathOf(call: Call): string {
  const path = textOf(call.query, 'path');
  if (path === undefined) throw invalid('no_path', 'bad parameter: path cannot be empty');
  return path;
}

function statHeader(stat: PathStat): { readonly 'X-Docker-Container-Path-Stat': string } {
  const { name, size, mode, mtime, linkTarget } = stat;
  const text = JSON.stringify({ name, size, mode, mtime, linkTarget });
  return { 'X-Docker-Container-Path-Stat': Buffer.from(text).toString('base64') };
}

async function stat({ files }: Deps, call: Call): Promise<Answer> {
  return { status: 200, headers: statHeader(await files.stat(call.params.id ?? '', pathOf(call))) };
}

async function read({ files }: Deps, call: Call): Promise<Answer> {
  const found = await files.read(call.params.id ?? '', pathOf(call));
  return {
    status: 200,
    headers: { 'Content-Type': 'application/x-tar', ...statHeader(found.stat) },
    body: found.archive,
  };
}

async function write({ files }: Deps, call: Call): Promise<Answer> {
  await files.write(call.params.id ?? '', pathOf(call), call.body, {
    noOverwriteDirNonDir: boolOf(call.query, 'noOverwriteDirNonDir'),
    copyUidGid: boolOf(call.query, 'copyUIDGID'),
  });
  return { status: 200 };
}

async function changes({ files }: Deps, call: Call): Promise<Answer> {
  const found = await files.changes(call.params.id ?? '');
  return ok(found.length > 0 ? found.map(({ path, kind }) => ({ Path: path, Kind: kind })) : null);
}

async function exportTree({ files }: Deps, call: Call): Promise<Answer> {
  const body = await files.export(call.params.id ?? '');
  return { status: 200, headers: { 'Content-Type': 'application/octet-stream' }, body };
}

async function commit({ files }: Deps, call: Call): Promise<Answer> {
  const { query } = call;
  const container = textOf(query, 'container');
  if (container === undefined) throw invalid('no_container', 'bad parameter: container cannot be empty');
  const repository = textOf(query, 'repo');
  const tag = textOf(query, 'tag');
  const id = await files.commit(container, {
    ...(repository === undefined ? {} : { repository }),
    ...(tag === undefined ? {} : { tag }),
    comment: query.get('comment') ?? '',
    author: query.get('author') ?? '',
    pause: boolOf(query, 'pause', true),
    changes: query.getAll('changes'),
  });
  return ok({ Id: id }, 201);
}
