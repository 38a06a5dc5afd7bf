import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertUnchanged, type Engine, ok, type Snapshot, snapshot, startEngine } from '../support/index.ts';

const FOLDER = fileURLToPath(new URL('../../examples', import.meta.url));
const FAIRWAY = fileURLToPath(new URL('../../bin/fairway', import.meta.url));

/** What each prints. */
const EXAMPLES: Readonly<Record<string, RegExp>> = {
  'environment.sh': /^hello, world$/,
  'named-pipe.sh': /^one\ntwo\nthree$/,
  'network.ts': /^example-server answered: a page$/,
  'shared-file.sh': /^a letter\na letter\nand no other may be left$/,
  'testcontainers.ts': /^the server answered: a page$/,
  'unix-socket.sh': /a message through the socket$/,
};

/** It brings daemons and hosts of its own. */
const ON_ITS_OWN = 'three-hosts.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

describe('the examples', () => {
  test('are all here', () => {
    const files = readdirSync(FOLDER).filter((name) => name !== 'README.md');
    assert.deepEqual(files.sort(), [...Object.keys(EXAMPLES), ON_ITS_OWN].sort());
  });

  for (const [name, expected] of Object.entries(EXAMPLES)) {
    test(`${name} does what it says`, async () => {
      const { daemon, host } = engine;
      const program = name.endsWith('.ts') ? process.execPath : 'sh';
      const env = {
        DOCKER_HOST: `unix://${daemon.socket}`,
        DOCKER: FAIRWAY,
        TESTCONTAINERS_HOST_OVERRIDE: 'localhost',
        TMPDIR: join(host.directory, 'lib'),
      };
      assert.match(await host.ok([program, join(FOLDER, name)], { env }), expected);
      await assertUnchanged(host, clean);
      assert.equal(await engine.docker('ps', '-aq'), '');
      assert.equal(await engine.docker('volume', 'ls', '-q'), '');
    });
  }

  test(`${ON_ITS_OWN} shows a network of three hosts`, async () => {
    const printed = await ok([process.execPath, join(FOLDER, ON_ITS_OWN)]);
    assert.equal(
      printed.match(/^web-(one|two|three) asked web-(one|two|three), which answered$/gm)?.length,
      9,
      printed,
    );
    assert.equal(printed.match(/This host has left the cluster/g)?.length, 3);
  });
});
