import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../base/index.ts';
import { digestOf } from '../../images/index.ts';

/** Time that stands still and never lets anybody wait. */
export const impatient: Clock = {
  now: () => 0,
  nowNanos: () => 0n,
  after: (_, callback) => {
    queueMicrotask(callback);
    return () => {};
  },
};

/** A registry in memory. `intercept` sees every request first and may answer it. */
export class FakeRegistry {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, { mediaType: string; bytes: Buffer }>();
  readonly requests: string[] = [];
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;

  put(bytes: Buffer): { digest: string; size: number } {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  }

  putManifest(names: readonly string[], value: object, mediaType: string): { digest: string; size: number } {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = digestOf(bytes);
    for (const name of [...names, digest]) this.manifests.set(name, { mediaType, bytes });
    return { digest, size: bytes.length };
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '' } = request;
    this.requests.push(`${method} ${url}`);
    if (this.intercept(request, response)) return;
    const path = new URL(url, 'http://x').pathname;
    const [, kind = '', name = ''] = /^\/v2\/[a-z/]+\/(manifests|blobs)\/(.*)$/.exec(path) ?? [];
    if (path === '/v2/') response.end('{}');
    else if (name === 'uploads/') response.writeHead(202, { location: '/v2/upload?state=1' }).end();
    else if (method === 'PUT') this.#store(request, response, kind, name);
    else if (kind === 'manifests') this.#sendManifest(response, name);
    else this.#sendBlob(request, response, name);
  }

  #store(request: IncomingMessage, response: ServerResponse, kind: string, name: string): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const bytes = Buffer.concat(chunks);
      if (kind === 'manifests') this.manifests.set(name, { mediaType: request.headers['content-type'] ?? '', bytes });
      else this.blobs.set(new URL(request.url ?? '', 'http://x').searchParams.get('digest') ?? '', bytes);
      response.writeHead(201).end();
    });
  }

  #sendManifest(response: ServerResponse, name: string): void {
    const found = this.manifests.get(name);
    if (found) response.writeHead(200, { 'content-type': found.mediaType }).end(found.bytes);
    else refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
  }

  #sendBlob(request: IncomingMessage, response: ServerResponse, digest: string): void {
    const bytes = this.blobs.get(digest);
    const offset = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (!bytes) refuse(response, 404, 'BLOB_UNKNOWN', 'blob unknown to registry');
    else response.writeHead(offset > 0 ? 206 : 200).end(request.method === 'HEAD' ? undefined : bytes.subarray(offset));
  }
}

export function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}
