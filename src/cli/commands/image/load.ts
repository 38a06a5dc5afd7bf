import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { bool, type Command, text } from '../../grammar/index.ts';
import { showProgress } from '../../terminal/index.ts';

export const load: Command = {
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    text('input,i', 'Read from tar archive file, instead of STDIN', { completes: 'files' }),
    text('platform', 'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")'),
    bool('quiet,q', 'Suppress the load output'),
  ],
  async run(context, flags) {
    const path = flags.text('input');
    if (path === '' && context.stdin.isTTY === true) {
      throw new Error('requested load from stdin, but stdin is empty');
    }
    if (path !== '') await assertReadable(path);
    const archive = path === '' ? context.stdin : createReadStream(path);
    const quiet = flags.bool('quiet') || context.stdout.isTTY !== true;
    await showProgress(
      context.client.images.load(archive, { quiet, platform: flags.text('platform') }),
      context.stdout,
    );
    return 0;
  },
};

async function assertReadable(path: string): Promise<void> {
  try {
    await access(path);
  } catch (cause) {
    throw new Error(`open ${path}: no such file or directory`, { cause });
  }
}
