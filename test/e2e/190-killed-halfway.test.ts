import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertUnchanged, type Engine, type Snapshot, snapshot, startEngine } from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

describe('a daemon killed in the middle of its work', () => {
  // The moments are spread over the length of one run; where exactly each falls does not matter to what must hold after it.
  for (const afterMs of [10, 30, 50, 70, 90, 120, 160, 220]) {
    test(`${afterMs} ms into network create and run leaves nothing that cannot be removed`, async () => {
      const { docker, daemon, host } = engine;
      const work = docker
        .run(['network', 'create', 'net'])
        .then(() =>
          docker.run(['run', '-d', '--name', 'box', '--network', 'net', '-p', '8080:80', 'busybox', 'sleep', '600']),
        );
      await sleep(afterMs);
      await daemon.killHard();
      await work;
      await daemon.start();
      await docker.run(['rm', '-f', 'box']);
      await docker.run(['network', 'rm', 'net']);
      assert.equal(await docker('ps', '-aq'), '');
      await assertUnchanged(host, clean);
    });

    test(`${afterMs} ms into the removal of a running container leaves nothing either`, async () => {
      const { docker, daemon, host } = engine;
      await docker('network', 'create', 'net');
      await docker('run', '-d', '--name', 'box', '--network', 'net', '-p', '8080:80', 'busybox', 'sleep', '600');
      const work = docker.run(['rm', '-f', 'box']);
      await sleep(afterMs);
      await daemon.killHard();
      await work;
      await daemon.start();
      await docker.run(['rm', '-f', 'box']);
      await docker('network', 'rm', 'net');
      await assertUnchanged(host, clean);
    });
  }
});
