import type { Progress } from '../../client/index.ts';
import type { Output } from '../grammar/index.ts';

export interface ProgressOptions {
  /** What travels beside the progress, such as the digest that was pushed. */
  readonly onAux?: (aux: unknown) => void;
}

/**
 * Shows a stream of progress. On a terminal each layer has its own line that is drawn over; elsewhere only the news
 * of a state is printed. Throws the daemon's text when the stream says that the work failed.
 */
export async function showProgress(
  messages: AsyncIterable<Progress>,
  output: Output,
  options: ProgressOptions = {},
): Promise<void> {
  const lines = new Map<string, number>();
  for await (const message of messages) {
    if (message.error !== undefined || message.errorDetail !== undefined) {
      throw new Error(message.errorDetail?.message ?? message.error ?? 'unknown error');
    }
    if (message.aux !== undefined && message.aux !== null) {
      options.onAux?.(message.aux);
      continue;
    }
    if (message.stream !== undefined) output.write(message.stream);
    else if (output.isTTY === true) draw(message, lines, output);
    else if (message.progress === undefined && message.progressDetail?.current === undefined) {
      output.write(`${statusLine(message)}\n`);
    }
  }
}

function draw(message: Progress, lines: Map<string, number>, output: Output): void {
  const text = statusLine(message);
  if (message.id === undefined || message.id === '') {
    lines.clear();
    output.write(`${text}\n`);
    return;
  }
  const known = lines.get(message.id);
  if (known === undefined) {
    lines.set(message.id, lines.size);
    output.write(`${text}\n`);
    return;
  }
  const up = lines.size - known;
  output.write(`\x1b[${up}A\x1b[2K\r${text}\r\x1b[${up}B`);
}

function statusLine(message: Progress): string {
  const id = message.id === undefined || message.id === '' ? '' : `${message.id}: `;
  const bar = message.progress === undefined || message.progress === '' ? '' : ` ${message.progress}`;
  return `${id}${message.status ?? ''}${bar}`;
}
