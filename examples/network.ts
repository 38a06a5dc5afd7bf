// Two containers on a network of their own: one serves a page, the other one fetches it by the first one's name. Driven by
// dockerode, a stock library that knows nothing of Fairway. Run by `node examples/network.ts` (Node 24 or later).
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import Docker from 'dockerode';

const socketPath = process.env.DOCKER_HOST?.replace(/^unix:\/\//, '') ?? '/run/fairway/fairway.sock';
const docker = new Docker({ socketPath });

const network = await docker.createNetwork({ Name: 'example-net' });
const server = await docker.createContainer({
  name: 'example-server',
  Image: 'busybox',
  Cmd: ['sh', '-c', 'mkdir /www; echo "a page" >/www/index.html; exec httpd -f -h /www'],
  HostConfig: { NetworkMode: 'example-net' },
});
try {
  await server.start();
  const page = new PassThrough();
  // The server may take a moment to listen.
  const fetch = 'until wget -qO- http://example-server/; do usleep 100000; done';
  await docker.run('busybox', ['sh', '-c', fetch], page, {
    HostConfig: { NetworkMode: 'example-net', AutoRemove: true },
    Tty: true,
  });
  page.end();
  process.stdout.write(`example-server answered: ${(await text(page)).trim().split('\n').at(-1)}\n`);
} finally {
  await server.remove({ force: true });
  await network.remove();
}
