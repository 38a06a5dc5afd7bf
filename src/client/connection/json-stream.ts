import type { Readable } from 'node:stream';

/** The objects of a stream of JSON documents, one a line; an empty line is skipped. */
export async function* jsonLines<T>(stream: Readable): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const chunk of stream) {
    pending += decoder.decode(chunk, { stream: true });
    const lines = pending.split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() !== '') yield JSON.parse(line) as T;
    }
  }
  pending += decoder.decode();
  if (pending.trim() !== '') yield JSON.parse(pending) as T;
}
