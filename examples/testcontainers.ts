// A test's own web server, thrown away when the test is over: testcontainers, a stock library that knows nothing of Fairway.
// Its helper that removes what a killed test leaves (ryuk) is an image of a registry, so it is left out here unless you name
// one at hand in RYUK_CONTAINER_IMAGE. Run by `node examples/testcontainers.ts` (Node 24 or later).
process.env.DOCKER_HOST ??= 'unix:///run/fairway/fairway.sock';
process.env.TESTCONTAINERS_RYUK_DISABLED ??= process.env.RYUK_CONTAINER_IMAGE === undefined ? 'true' : 'false';
const { GenericContainer, Wait } = await import('testcontainers');

await using server = await new GenericContainer('busybox')
  .withCommand(['httpd', '-f', '-h', '/www'])
  .withCopyContentToContainer([{ content: 'a page', target: '/www/index.html' }])
  .withExposedPorts(80)
  .withWaitStrategy(Wait.forHttp('/', 80))
  .start();
const page = await fetch(`http://${server.getHost()}:${server.getMappedPort(80)}/`);
process.stdout.write(`the server answered: ${await page.text()}\n`);
