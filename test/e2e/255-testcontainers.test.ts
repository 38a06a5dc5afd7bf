import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  assertUnchanged,
  DOCKER_20,
  type Engine,
  eventually,
  load,
  type RunResult,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

const PROGRAM = fileURLToPath(new URL('programs/testcontainers.ts', import.meta.url));

/** Does what testcontainers' own reaper does: when who has spoken to it goes, all that bears the label it named is removed. */
const REAPER = `#!/bin/sh
nc -ll -p 8080 -e /bin/session &
echo Started
wait
`;

const SESSION = `#!/bin/sh
read -r line || exit 0
echo ACK
while read -r more; do :; done
label=$(echo "$line" | tr -d '\\r')
docker ps -aq --filter "$label" | grep -v "$(hostname)" | xargs -r docker rm -f -v
docker network ls -q --filter "$label" | xargs -r docker network rm
killall nc
`;

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  await load(engine, {
    name: 'reaper:latest',
    config: { Cmd: ['/bin/reaper'], ExposedPorts: { '8080/tcp': {} } },
    files: { '/bin/reaper': REAPER, '/bin/session': SESSION },
    // Debian's, with no library but the C library's.
    programs: { '/bin/docker': DOCKER_20 },
  });
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** In the host, where published ports are. */
function session(env: Record<string, string>, ...args: string[]): Promise<RunResult> {
  const { host } = engine;
  return host.run([process.execPath, PROGRAM, ...args], {
    env: {
      DOCKER_HOST: 'unix:///run/fairway/fairway.sock',
      TESTCONTAINERS_HOST_OVERRIDE: 'localhost',
      TMPDIR: join(host.directory, 'lib'),
      ...env,
    },
  });
}

describe('testcontainers', () => {
  test('waits for, talks to and clears away the containers of a test', async () => {
    const { code, stdout, stderr } = await session({ TESTCONTAINERS_RYUK_DISABLED: 'true' });
    assert.equal(stdout, 'all is well\n', stderr);
    assert.equal(code, 0);
    assert.equal(await engine.docker('ps', '-aq'), '');
    await engine.docker('rmi', 'committed:one');
    await assertUnchanged(engine.host, clean);
  });

  test('has what a killed test left removed by its reaper, which is a container with the daemon’s socket', async () => {
    const { code, stdout, stderr } = await session({ RYUK_CONTAINER_IMAGE: 'reaper:latest' }, 'die');
    assert.equal(stdout, 'left behind\n', stderr);
    assert.equal(code, 137);
    await eventually(async () => assert.equal(await engine.docker('ps', '-aq'), ''));
    await eventually(async () =>
      assert.equal(await engine.docker('network', 'ls', '-q', '--filter', 'type=custom'), ''),
    );
    await assertUnchanged(engine.host, clean);
  });
});
