import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  commandLines,
  type Engine,
  eventually,
  RawApi,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;
let api: RawApi;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
  api = new RawApi(engine.daemon.socket);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

describe('execs', () => {
  interface Case {
    readonly what: string;
    readonly body: object;
    readonly script: string;
    readonly says: RegExp;
  }
  const CASES: readonly Case[] = [
    { what: 'User by name', body: { User: 'nobody' }, script: 'id -u', says: /^65534$/ },
    { what: 'User by numbers', body: { User: '33:34' }, script: 'id -u; id -g', says: /^33\n34$/ },
    { what: 'Env', body: { Env: ['A=b', 'KEPT='] }, script: 'echo $A-$KEPT-$OWN', says: /^b--own$/ },
    { what: 'Env that takes away', body: { Env: ['OWN'] }, script: 'echo -$OWN-', says: /^--$/ },
    { what: 'WorkingDir', body: { WorkingDir: '/etc' }, script: 'pwd', says: /^\/etc$/ },
    { what: 'the WorkingDir of the container', body: {}, script: 'pwd', says: /^\/tmp$/ },
    { what: 'Privileged', body: { Privileged: true }, script: 'grep CapEff /proc/self/status', says: /CapEff/ },
    { what: 'Tty', body: { Tty: true }, script: 'test -t 1 && echo yes', says: /^yes$/ },
    { what: 'nothing attached', body: { AttachStdout: false }, script: 'echo out', says: /^$/ },
    {
      what: 'AttachStderr alone',
      body: { AttachStdout: false, AttachStderr: true },
      script: 'echo out; echo err >&2',
      says: /^err$/,
    },
  ];

  /** Starts it attached and gives all that comes, without the heads of frames. */
  async function output(id: string, body: object, tty: boolean): Promise<string> {
    const { socket, head } = await api.hijack(`/exec/${id}/start`, body);
    const chunks = [head];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    let rest = Buffer.concat(chunks);
    if (tty) return rest.toString().replaceAll('\r', '').trim();
    let text = '';
    while (rest.length >= 8) {
      const end = 8 + rest.readUInt32BE(4);
      text += rest.subarray(8, end).toString();
      rest = rest.subarray(end);
    }
    return text.trim();
  }

  async function create(body: object): Promise<{ status: number; message: string; id: string }> {
    const answer = await api.call('POST', '/containers/box/exec', body);
    return { status: answer.status, message: answer.message, id: (answer.body as { Id?: string }).Id ?? '' };
  }

  test('are what each member of their body says', async () => {
    const { docker } = engine;
    await docker(
      'run',
      '-d',
      '--name',
      'box',
      '-e',
      'OWN=own',
      '-w',
      '/tmp',
      '--cap-drop',
      'ALL',
      'busybox',
      'sleep',
      '600',
    );
    for (const { what, body, script, says } of CASES) {
      const { id, status } = await create({ Cmd: ['sh', '-c', script], AttachStdout: true, ...body });
      assert.equal(status, 201, what);
      const tty = 'Tty' in body;
      assert.match(await output(id, { Detach: false, Tty: tty }, tty), says, what);
      await eventually(async () => {
        const shown = (await api.call('GET', `/exec/${id}/json`)).body as { Running: boolean; CanRemove: boolean };
        assert.equal(shown.Running, false, what);
      });
    }
    const capabilities = async (privileged: boolean): Promise<bigint> => {
      const { id } = await create({
        Cmd: ['grep', 'CapEff', '/proc/self/status'],
        AttachStdout: true,
        Privileged: privileged,
      });
      return BigInt(`0x${(await output(id, {}, false)).split(/\s+/)[1] ?? ''}`);
    };
    assert.equal(await capabilities(false), 0n);
    assert.ok((await capabilities(true)) > 0n);
    const sized = await create({ Cmd: ['stty', 'size'], AttachStdout: true, Tty: true });
    assert.equal(await output(sized.id, { Tty: true, ConsoleSize: [21, 43] }, true), '21 43');
    const keys = await create({
      Cmd: ['cat'],
      AttachStdin: true,
      AttachStdout: true,
      Tty: true,
      DetachKeys: 'ctrl-x,y',
    });
    const { socket } = await api.hijack(`/exec/${keys.id}/start`, { Tty: true });
    socket.resume();
    const left = new Promise<void>((resolve) => socket.once('close', resolve));
    socket.write('\u0018y');
    await left;
    assert.equal(((await api.call('GET', `/exec/${keys.id}/json`)).body as { Running: boolean }).Running, true);
    await docker('rm', '-f', 'box');
    await assertUnchanged(engine.host, clean);
  });

  test('end for their client although a child of theirs holds their output', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'box', 'busybox', 'sleep', '600');
    for (const client of commandLines(engine)) {
      const ended = await client.run(['exec', 'box', 'sh', '-c', 'sleep 500 & echo done; exit 7']);
      assert.deepEqual([ended.code, ended.stdout], [7, 'done\n'], client.name);
    }
    await docker('rm', '-f', 'box');
    await assertUnchanged(engine.host, clean);
  });

  test('that make no sense are refused with Docker’s words', async () => {
    const { docker } = engine;
    await docker('run', '-d', '--name', 'box', 'busybox', 'sleep', '600');
    const cmd = ['true'];
    for (const [body, status, says] of [
      [{}, 400, /^No exec command specified$/],
      [{ Cmd: [] }, 400, /^No exec command specified$/],
      [{ Cmd: cmd, DetachKeys: 'ctrl-' }, 400, /detach key/i],
      [{ Cmd: cmd, Env: 'A=b' }, 400, /./],
      [{ Cmd: cmd, Tty: 'yes' }, 400, /./],
      [{ Cmd: [7] }, 400, /./],
    ] as const) {
      const refused = await create(body);
      assert.equal(refused.status, status, JSON.stringify(body));
      assert.match(refused.message, says, JSON.stringify(body));
    }
    assert.equal(
      (await api.call('POST', '/containers/nobody/exec', { Cmd: cmd })).message,
      'No such container: nobody',
    );
    for (const path of ['json', 'start', 'resize?h=1&w=1']) {
      const method = path === 'json' ? 'GET' : 'POST';
      const missing = await api.call(method, `/exec/none/${path}`, method === 'POST' ? {} : undefined);
      assert.deepEqual([missing.status, missing.message], [404, 'No such exec instance: none'], path);
    }
    const once = await create({ Cmd: cmd });
    assert.equal((await api.call('POST', `/exec/${once.id}/start`, { Detach: true })).status, 200);
    await eventually(async () => {
      const again = await api.call('POST', `/exec/${once.id}/start`, { Detach: true });
      assert.deepEqual([again.status, again.message], [409, `exec ${once.id} has already run`]);
    });
    for (const [body, code] of [
      [{ Cmd: ['/nothing'] }, 127],
      [{ Cmd: ['/etc'] }, 126],
      [{ Cmd: cmd, WorkingDir: '/etc/passwd' }, 126],
      [{ Cmd: cmd, User: 'nobody-here' }, 126],
    ] as const) {
      const { id } = await create({ ...body, AttachStdout: true });
      await api.call('POST', `/exec/${id}/start`, { Detach: true });
      const shown = (await api.call('GET', `/exec/${id}/json`)).body as { ExitCode: number };
      assert.equal(shown.ExitCode, code, JSON.stringify(body));
    }
    await docker('pause', 'box');
    const paused = await create({ Cmd: cmd });
    assert.equal(paused.status, 409);
    assert.match(paused.message, /is paused, unpause the container before exec$/);
    await docker('unpause', 'box');
    await docker('kill', 'box');
    const stopped = await create({ Cmd: cmd });
    assert.equal(stopped.status, 409);
    assert.match(stopped.message, /^container [0-9a-f]{64} is not running$/);
    await docker('rm', '-f', 'box');
    await assertUnchanged(engine.host, clean);
  });
});
