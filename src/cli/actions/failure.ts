import { messageOf } from '../../base/index.ts';
import { ResponseError } from '../../client/index.ts';

/** A failure as it is printed: what the daemon said is marked as its word. */
export function failureText(error: unknown): string {
  if (error instanceof ResponseError) return `Error response from daemon: ${error.message}`;
  return messageOf(error);
}
