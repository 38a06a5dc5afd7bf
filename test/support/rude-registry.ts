// A registry with bad manners, in front of a good one on 127.0.0.1:5000. The first part of a repository's name says which:
//   cut/…    breaks the connection in the middle of a layer, unless the client asks for the rest of it
//   stall/…  sends half a layer and then nothing, unless the client asks for the rest of it
//   lie/…    sends blobs with a wrong byte
//   swap/…   sends another manifest than the one that was asked for
//   token/…  wants a bearer token, which it gives for ada's password
// Each request is a line of output: method, path, range.
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';

const UPSTREAM = 'http://127.0.0.1:5000';
const PASSWORD = `Basic ${Buffer.from('ada:secret').toString('base64')}`;

/** Bytes; configurations have less, layers more. */
const SMALL = 64 << 10;

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

function fetchUpstream(incoming: IncomingMessage): Promise<Answer> {
  const { accept = '*/*', range } = incoming.headers;
  return new Promise((resolve, reject) => {
    const options = { method: incoming.method ?? 'GET', headers: { accept, ...(range ? { range } : {}) } };
    request(`${UPSTREAM}${incoming.url}`, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    })
      .on('error', reject)
      .end();
  });
}

/** True when the request has been dealt with. */
function wantsToken(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
  const url = new URL(incoming.url ?? '', 'http://127.0.0.1:5001');
  if (url.pathname === '/token') {
    const known = incoming.headers.authorization === PASSWORD;
    const body = known
      ? { token: `${url.searchParams.get('service')} ${url.searchParams.get('scope')}` }
      : { errors: [] };
    outgoing.writeHead(known ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    return true;
  }
  if (!url.pathname.startsWith('/v2/token/')) return false;
  if (incoming.headers.authorization === 'Bearer rude repository:token/app:pull') return false;
  outgoing
    .writeHead(401, {
      'www-authenticate': `Bearer realm="${url.origin}/token",service="rude",scope="repository:token/app:pull"`,
      'content-type': 'application/json',
    })
    .end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }));
  return true;
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { method = '', url = '' } = incoming;
  const { range } = incoming.headers;
  process.stdout.write(`${method} ${url} ${range ?? ''}\n`);
  if (wantsToken(incoming, outgoing)) return;
  const { status, headers, body } = await fetchUpstream(incoming);
  const [, manner, kind] = /^\/v2\/([a-z]+)\/[a-z]+\/(manifests|blobs)\//.exec(url) ?? [];
  const large = kind === 'blobs' && body.length > SMALL;
  const half = large && range === undefined && (manner === 'cut' || manner === 'stall');
  if (kind === 'blobs' && manner === 'lie' && body.length > 0) body.writeUInt8(body.readUInt8(0) ^ 1, 0);
  const sent = kind === 'manifests' && manner === 'swap' ? Buffer.concat([body, Buffer.from(' ')]) : body;
  const length = method === 'HEAD' ? headers['content-length'] : sent.length;
  outgoing.writeHead(status, { ...headers, 'content-length': length });
  if (!half) outgoing.end(sent);
  else {
    outgoing.write(sent.subarray(0, sent.length >> 1), () => {
      if (manner === 'cut') outgoing.destroy();
    });
  }
}

createServer((incoming, outgoing) => {
  answer(incoming, outgoing).catch(() => outgoing.destroy());
}).listen(5001, '0.0.0.0', () => process.stdout.write('ready\n'));
