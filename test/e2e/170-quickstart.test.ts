import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, TestHost, TestLan } from '../support/index.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/quickstart.sh', import.meta.url));

describe('the quickstart', () => {
  test('starts a daemon and lets two containers talk by name, and does so again', async () => {
    await using lan = await TestLan.start();
    await using host = await TestHost.start(lan);
    // The script's paths are those of a real machine; the host's /run and /var/lib are its own, and so must /var/log be.
    const command = [
      'sh',
      '-c',
      `mkdir -p ${host.directory}/log; unshare -m sh -c 'mount --bind ${host.directory}/log /var/log; exec sh ${SCRIPT} --cgroup-parent ${host.cgroup}'`,
    ];
    for (const round of ['first', 'second']) {
      const result = await host.run(command, { timeoutMs: 300_000 });
      assert.equal(result.code, 0, `${round} run:\n${result.stdout}${result.stderr}`);
      assert.match(result.stdout, /3 packets transmitted, 3 packets received/);
      assert.match(result.stdout, /Hello from the web server/);
      assert.match(result.stdout, /To stop:/);
    }
    const pid = await host.ok(['cat', '/run/fairway/fairwayd.pid']);
    await host.ok(['kill', pid.trim()]);
    await eventually(async () => assert.notEqual((await host.run(['kill', '-0', pid.trim()])).code, 0));
  });
});
