import { type Context, type Output, print } from '../grammar/index.ts';
import { showProgress } from '../terminal/index.ts';
import { parseImageName } from '../values/index.ts';
import { registryAuth } from './registry-auth.ts';

export interface PullOptions {
  readonly platform: string;
  readonly quiet: boolean;
  readonly allTags?: boolean;
  /** Where the progress goes. */
  readonly output: Output;
}

/** Pulls one image and shows how it comes. */
export async function pullImage(context: Context, image: string, options: PullOptions): Promise<void> {
  const { repository, tag, registry } = parseImageName(image);
  const auth = registryAuth(context.env, registry);
  const wanted = options.allTags === true ? '' : tag;
  const messages = context.client.images.pull({ image: repository, tag: wanted, platform: options.platform, auth });
  if (!options.quiet) return await showProgress(messages, options.output);
  for await (const message of messages) {
    if (message.error !== undefined) throw new Error(message.errorDetail?.message ?? message.error);
  }
}

/** The name as `pull -q` prints it: with registry and tag. */
export function fullImageName(image: string): string {
  const { repository, tag, registry } = parseImageName(image);
  const path = registry === 'docker.io' && !repository.startsWith('docker.io/') ? repository : undefined;
  const named = path === undefined ? repository : `docker.io/${path.includes('/') ? path : `library/${path}`}`;
  return `${named}${tag.includes(':') ? '@' : ':'}${tag}`;
}

export function printPulled(context: Context, image: string): void {
  print(context, fullImageName(image));
}
