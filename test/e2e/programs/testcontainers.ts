// What a test suite does with testcontainers, run inside a test host by 255-testcontainers. Prints one line when all is well;
// with an argument it ends in the middle, without tidying up.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import { GenericContainer, getContainerRuntimeClient, Network, Wait } from 'testcontainers';

async function seesPorts(): Promise<void> {
  await using web = await new GenericContainer('busybox')
    .withCommand(['sh', '-c', 'sleep 0.3; exec httpd -f -h /etc'])
    .withExposedPorts(80)
    .withWaitStrategy(Wait.forListeningPorts())
    .start();
  const answer = await fetch(`http://${web.getHost()}:${web.getMappedPort(80)}/group`);
  assert.match(await answer.text(), /root/);
  assert.equal(web.getFirstMappedPort(), web.getMappedPort(80));
  assert.match(web.getIpAddress('bridge'), /^172\.17\./);
}

async function seesLogs(): Promise<void> {
  const consumed: string[] = [];
  await using talker = await new GenericContainer('busybox')
    .withCommand(['sh', '-c', 'for i in 1 2 3; do echo line $i; done; echo wrong >&2; echo ready; exec sleep 600'])
    .withLogConsumer((stream) => stream.on('data', (chunk: string) => consumed.push(String(chunk))))
    .withWaitStrategy(Wait.forLogMessage(/line \d/, 3))
    .start();
  const logs = await talker.logs();
  let seen = '';
  for await (const chunk of logs) {
    seen += String(chunk);
    if (seen.includes('ready') && seen.includes('wrong')) break;
  }
  logs.destroy();
  assert.match(seen, /line 1[\s\S]*line 3/);
  assert.match(consumed.join(''), /line 3/);
}

async function seesHealth(): Promise<void> {
  await using slow = await new GenericContainer('busybox')
    .withCommand(['sh', '-c', 'sleep 0.5; touch /tmp/up; exec sleep 600'])
    .withHealthCheck({ test: ['CMD-SHELL', 'test -e /tmp/up'], interval: 200, timeout: 5000, retries: 100 })
    .withWaitStrategy(Wait.forHealthCheck())
    .start();
  assert.equal((await slow.exec(['ls', '/tmp/up'])).exitCode, 0);
  const once = await new GenericContainer('busybox')
    .withCommand(['true'])
    .withWaitStrategy(Wait.forOneShotStartup())
    .start();
  await once.stop();
  await assert.rejects(
    new GenericContainer('busybox').withCommand(['echo', 'no']).withWaitStrategy(Wait.forLogMessage('yes')).start(),
    /Log stream ended/,
  );
}

async function talksByName(): Promise<void> {
  await using network = await new Network().start();
  await using server = await new GenericContainer('busybox')
    .withCommand(['httpd', '-f', '-h', '/etc'])
    .withNetwork(network)
    .withNetworkAliases('pages', 'www')
    .withExposedPorts(80)
    .start();
  await using client = await new GenericContainer('busybox')
    .withCommand(['sleep', '600'])
    .withNetwork(network)
    .withEnvironment({ WHO: 'client' })
    .withWorkingDir('/tmp')
    .start();
  // An alias makes the library connect the container to its network after it was created on the default one.
  assert.deepEqual(server.getNetworkNames().sort(), ['bridge', network.getName()].sort());
  assert.deepEqual(client.getNetworkNames(), [network.getName()]);
  assert.match(server.getIpAddress(network.getName()), /^172\.18\./);
  for (const name of ['pages', 'www']) {
    const { output, exitCode } = await client.exec(['wget', '-qO-', `http://${name}/group`]);
    assert.equal(exitCode, 0, output);
    assert.match(output, /root/);
  }
  const failed = await client.exec(['sh', '-c', 'echo $WHO; pwd; echo wrong >&2; exit 4'], { env: { WHO: 'me' } });
  assert.equal(failed.exitCode, 4);
  assert.equal(failed.stdout, 'me\n/tmp\n');
  assert.equal(failed.stderr, 'wrong\n');
}

async function copiesAndRestarts(): Promise<void> {
  await using box = await new GenericContainer('busybox')
    .withCommand(['sh', '-c', 'cat /in/early; exec sleep 600'])
    .withCopyContentToContainer([{ content: 'from the start\n', target: '/in/early', mode: 0o600 }])
    .withTmpFs({ '/scratch': 'rw,size=1m' })
    .withUser('root')
    .withWaitStrategy(Wait.forLogMessage('from the start'))
    .start();
  await box.copyContentToContainer([{ content: 'later', target: '/in/late' }]);
  assert.equal((await box.exec('cat /in/late')).output, 'later');
  const archive = await box.copyArchiveFromContainer('/in/late');
  assert.match(await text(archive), /later/);
  assert.equal((await box.exec(['stat', '-c', '%a', '/in/early'])).output.trim(), '600');
  await box.restart({ timeout: 1000 });
  assert.equal((await box.exec('cat /in/late')).output, 'later');
  const image = await box.commit({ repo: 'committed', tag: 'one' });
  const copy = await new GenericContainer('committed:one').withCommand(['sleep', '600']).start();
  assert.equal((await copy.exec('cat /in/late')).output, 'later');
  const stopped = await copy.stop({ remove: false, timeout: 0 });
  assert.match(await text(await stopped.copyArchiveFromContainer('/in/late')), /later/);
  const { container: containers } = await getContainerRuntimeClient();
  await containers.remove(containers.getById(stopped.getId()), { removeVolumes: true });
  assert.match(image, /^sha256:|^[0-9a-f]{64}$/);
}

async function leavesEverything(): Promise<void> {
  const network = await new Network().start();
  const web = await new GenericContainer('busybox')
    .withCommand(['httpd', '-f', '-h', '/etc'])
    .withNetwork(network)
    .withExposedPorts(80)
    .start();
  const socket = createConnection(web.getMappedPort(80), web.getHost());
  await once(socket, 'connect');
  process.stdout.write('left behind\n');
  process.kill(process.pid, 'SIGKILL');
}

if (process.argv[2] === 'die') {
  await leavesEverything();
} else {
  // The library's own connections do not keep the process alive.
  const alive = setInterval(() => {}, 1000);
  await seesPorts();
  await seesLogs();
  await seesHealth();
  await talksByName();
  await copiesAndRestarts();
  clearInterval(alive);
  process.stdout.write('all is well\n');
}
