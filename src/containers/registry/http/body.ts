import type { Readable } from 'node:stream';
import { unavailable } from '../../../base/index.ts';

const BODY_MAX = 8 << 20;
/** So much of an answer that nobody needs is read, to keep its connection. */
const DRAIN_MAX = 64 << 10;

/** An answer as a whole; one that is larger is refused. */
export async function readBody(body: Readable, limit = BODY_MAX): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) {
      throw unavailable('registry_answer_too_large', `the registry's answer is larger than ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Lets go of an answer that nobody needs. One without an end costs its connection. */
export function drain(body: Readable): void {
  let size = 0;
  body.on('error', () => {});
  body.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > DRAIN_MAX) body.destroy();
  });
}
