import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Containerd, ContainerdDaemon } from '../index.ts';

export interface PrivateContainerd extends AsyncDisposable {
  readonly folder: string;
  readonly daemon: ContainerdDaemon;
  readonly client: Containerd;
}

/** A containerd in a folder of its own, gone with everything it made when disposed. Needs root. */
export async function startPrivateContainerd(): Promise<PrivateContainerd> {
  await using undo = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'fwt-containerd-'));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const daemon = await ContainerdDaemon.ensure({
    root: join(folder, 'root'),
    state: join(folder, 'state'),
    socketPath: join(folder, 'sock'),
  });
  undo.defer(() => daemon.stop());
  const client = await Containerd.connect({ socketPath: daemon.socketPath, namespace: 'tests' });
  undo.defer(() => client.close());
  const owned = undo.move();
  return { folder, daemon, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
