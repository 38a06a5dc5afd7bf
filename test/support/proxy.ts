// An HTTP proxy on 127.0.0.1:3128 that lets in who says `Basic ada:secret`. Each request is a line of output: method and target.
import { createServer, request } from 'node:http';
import { connect } from 'node:net';

const PASSWORD = `Basic ${Buffer.from('ada:secret').toString('base64')}`;

const server = createServer((incoming, outgoing) => {
  process.stdout.write(`${incoming.method} ${incoming.url}\n`);
  if (incoming.headers['proxy-authorization'] !== PASSWORD) {
    outgoing.writeHead(407).end();
    return;
  }
  const { 'proxy-authorization': _, 'proxy-connection': __, ...headers } = incoming.headers;
  const passed = request(incoming.url ?? '', { method: incoming.method ?? 'GET', headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  passed.on('error', () => outgoing.destroy());
  incoming.pipe(passed);
});

server.on('connect', (incoming, socket, head) => {
  process.stdout.write(`CONNECT ${incoming.url}\n`);
  if (incoming.headers['proxy-authorization'] !== PASSWORD) {
    socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    return;
  }
  const { hostname, port } = new URL(`tcp://${incoming.url}`);
  const far = connect(Number(port), hostname, () => {
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    far.write(head);
    far.pipe(socket);
    socket.pipe(far);
  });
  far.on('error', () => socket.destroy());
  socket.on('error', () => far.destroy());
});

server.listen(3128, '127.0.0.1', () => process.stdout.write('ready\n'));
