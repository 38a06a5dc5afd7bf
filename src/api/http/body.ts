import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import * as v from 'valibot';
import { invalid, messageOf } from '../../base/index.ts';
import { HttpError } from './errors.ts';

/** No request of Docker's comes near it. */
export const JSON_LIMIT = 8 * 1024 * 1024;

/** Reads a whole body; more than the limit is refused with 413 as soon as it is known. */
export async function readBody(body: Readable, headers: IncomingHttpHeaders, limit = JSON_LIMIT): Promise<Buffer> {
  const declared = Number(headers['content-length'] ?? 0);
  if (declared > limit) throw tooLarge(limit);
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving early must not destroy the connection: the answer still has to go out on it.
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/**
 * Throws 501 for a body in an encoding that is not undone here: its bytes would be taken for something else than what the
 * client, or whoever stands in between, read in it. As Go's server does.
 */
export function assertTransferEncoding(headers: IncomingHttpHeaders): void {
  const encoding = headers['transfer-encoding'];
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'chunked') {
    throw new HttpError(501, `unsupported transfer encoding: "${encoding}"`);
  }
}

function tooLarge(limit: number): HttpError {
  return new HttpError(413, `request body too large: the limit is ${limit} bytes`);
}

/** Decodes and checks a JSON body. `undefined` for an empty one. Throws with Docker's texts. */
export async function readJson<S extends v.GenericSchema>(
  body: Readable,
  headers: IncomingHttpHeaders,
  schema: S,
): Promise<v.InferOutput<S> | undefined> {
  const bytes = await readBody(body, headers);
  if (bytes.length === 0) return undefined;
  assertJsonType(headers['content-type'] ?? '');
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalid('malformed_json', `invalid JSON: ${messageOf(error)}`);
  }
  return check(schema, value);
}

function assertJsonType(header: string): void {
  const [type = ''] = header.split(';');
  if (type.trim() === '')
    throw invalid('content_type', `malformed Content-Type header (${header}): mime: no media type`);
  if (type.trim().toLowerCase() !== 'application/json') {
    throw invalid('content_type', `unsupported Content-Type header (${header}): must be 'application/json'`);
  }
}

/** The message names the field and the value that does not fit. */
export function check<S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  const field = path === null ? 'body' : path;
  const shown = JSON.stringify(issue.input) ?? 'nothing';
  throw invalid(
    'invalid_field',
    `invalid JSON: field "${field}" has the value ${shown.length > 120 ? `${shown.slice(0, 120)}…` : shown}, ` +
      `but ${issue.expected ?? issue.message} is expected`,
  );
}
