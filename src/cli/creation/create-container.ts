import { openSync, unlinkSync, writeSync } from 'node:fs';
import { type CreateContainer, isNotFound } from '../../client/index.ts';
import { pullImage } from '../actions/index.ts';
import { type Context, type Flags, warn } from '../grammar/index.ts';

/** Asks the daemon for a container, pulling the image as `--pull` says. Resolves with the container's id. */
export async function createContainer(context: Context, flags: Flags, body: CreateContainer): Promise<string> {
  const pull = flags.text('pull') || 'missing';
  if (!['always', 'missing', 'never'].includes(pull)) {
    throw new Error(`invalid pull option: '${pull}': must be one of "always", "missing" or "never"`);
  }
  const options = { name: flags.text('name'), platform: flags.text('platform') };
  const fetch = (): Promise<void> =>
    pullImage(context, body.Image, {
      platform: options.platform,
      quiet: flags.bool('quiet'),
      output: context.stderr,
    });
  using idFile = new IdFile(flags.text('cidfile'));
  if (pull === 'always') await fetch();
  const create = () => context.client.containers.create(body, options);
  const created = await create().catch(async (error: unknown) => {
    const missing = isNotFound(error) && error instanceof Error && /no such image/i.test(error.message);
    if (!missing || pull !== 'missing') throw error;
    if (!flags.bool('quiet')) warn(context, `Unable to find image '${tagged(body.Image)}' locally`);
    await fetch();
    return await create();
  });
  for (const warning of created.Warnings ?? []) warn(context, `WARNING: ${warning}`);
  idFile.write(created.Id);
  return created.Id;
}

function tagged(image: string): string {
  return /[:@][^/]*$/.test(image) ? image : `${image}:latest`;
}

/** The file of `--cidfile`: made before the container, gone again when there is no container to name. */
class IdFile implements Disposable {
  readonly #path: string;
  readonly #file: number | undefined;
  #written = false;

  constructor(path: string) {
    this.#path = path;
    this.#file = path === '' ? undefined : openNew(path);
  }

  write(id: string): void {
    if (this.#file !== undefined) writeSync(this.#file, id);
    this.#written = true;
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined && !this.#written) unlinkSync(this.#path);
  }
}

function openNew(path: string): number {
  try {
    return openSync(path, 'wx', 0o644);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      throw new Error(`container ID file found, make sure the other container isn't running or delete ${path}`, {
        cause: error,
      });
    }
    throw error;
  }
}
