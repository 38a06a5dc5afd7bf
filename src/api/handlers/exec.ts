import { invalid } from '../../base/index.ts';
import type { ExecView } from '../../containers/contract.ts';
import type { ApiDeps } from '../deps.ts';
import { type Answer, type Call, type Hijack, ok, type Route } from '../http/index.ts';
import { ExecBody, ExecStartBody } from '../wire/index.ts';
import { sizeOf } from './streams.ts';

type Deps = Pick<ApiDeps, 'execs'>;

export function execRoutes(deps: Deps): Route[] {
  return [
    { method: 'POST', path: '/containers/:id/exec', handle: (call) => create(deps, call) },
    { method: 'POST', path: '/exec/:id/start', hijack: (call) => start(deps, call) },
    { method: 'POST', path: '/exec/:id/resize', handle: (call) => resize(deps, call) },
    { method: 'GET', path: '/exec/:id/json', handle: async (call) => ok(encode(deps.execs.inspect(idOf(call)))) },
  ];
}

function idOf(call: Call): string {
  return call.params.id ?? '';
}

async function create({ execs }: Deps, call: Call): Promise<Answer> {
  const body = await call.json(ExecBody);
  if (!body?.Cmd || body.Cmd.length === 0) throw invalid('no_command', 'No exec command specified');
  const id = await execs.create(idOf(call), {
    cmd: body.Cmd,
    env: body.Env,
    ...(body.WorkingDir === '' ? {} : { workdir: body.WorkingDir }),
    ...(body.User === '' ? {} : { user: body.User }),
    privileged: body.Privileged,
    tty: body.Tty,
    attachStdin: body.AttachStdin,
    attachStdout: body.AttachStdout,
    attachStderr: body.AttachStderr,
    ...(body.DetachKeys ? { detachKeys: body.DetachKeys } : {}),
  });
  return ok({ Id: id }, 201);
}

async function start({ execs }: Deps, call: Call): Promise<Answer | Hijack> {
  const body = await call.json(ExecStartBody);
  const { Detach: detach = false, ConsoleSize: size } = body ?? {};
  const known = execs.inspect(idOf(call));
  const multiplexedType = call.version >= 42;
  const session = await execs.start(idOf(call), {
    detach,
    // As early as Docker: docker-py loses output that comes together with the head of the answer.
    onAccepted: () => {
      if (!detach) call.accept?.({ tty: known.options.tty, multiplexedType });
    },
    tty: body ? body.Tty : known.options.tty,
    ...(size ? { size: { height: size[0], width: size[1] } } : {}),
  });
  return session ? { session, multiplexedType } : { status: 200 };
}

async function resize({ execs }: Deps, call: Call): Promise<Answer> {
  await execs.resize(idOf(call), sizeOf(call));
  return { status: 200 };
}

function encode(view: ExecView) {
  const [entrypoint = '', ...args] = view.options.cmd;
  return {
    ID: view.id,
    Running: view.running,
    ExitCode: view.exitCode ?? null,
    ProcessConfig: {
      tty: view.options.tty,
      entrypoint,
      arguments: args,
      privileged: view.options.privileged,
      ...(view.options.user === undefined ? {} : { user: view.options.user }),
    },
    OpenStdin: view.options.attachStdin,
    OpenStderr: view.options.attachStderr,
    OpenStdout: view.options.attachStdout,
    CanRemove: !view.running && view.exitCode !== undefined,
    ContainerID: view.containerId,
    DetachKeys: '',
    Pid: view.pid,
  };
}
export type ExecWire = ReturnType<typeof encode>;
