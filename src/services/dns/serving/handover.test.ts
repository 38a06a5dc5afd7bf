import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { offerSockets } from './handover.ts';
import { MORE, socketName } from './protocol.ts';
import { Sandboxes } from './sandboxes.ts';

it('sockets are offered to the next daemon after one that was killed while it asked', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fwt-offer-'));
  const openIn = (): never => {
    throw new Error('nobody asks');
  };
  const server = offerSockets(new Sandboxes({ openIn }), folder, () => {});
  try {
    await once(server, 'listening');
    const path = join(folder, socketName(process.pid));
    const killed = connect(path);
    await once(killed, 'connect');
    killed.write(`${MORE}\n`);
    killed.destroy();
    const next = connect(path);
    await once(next, 'connect');
    next.setEncoding('utf8').write(`${MORE}\n`);
    assert.deepEqual(await once(next, 'data'), ['{"sandboxes":[]}\n']);
    next.destroy();
  } finally {
    server.close();
    await once(server, 'close');
    rmSync(folder, { recursive: true });
  }
});
