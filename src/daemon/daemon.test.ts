import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Clock, silentLog } from '../base/index.ts';
import { Listeners } from './listeners.ts';
import { Pidfile } from './pidfile.ts';
import { handleSignals } from './signals.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'fairway-daemon-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const greet = (socket: net.Socket): void => {
  // A client that only looks whether somebody answers leaves without reading.
  socket.on('error', () => {});
  socket.end('hello');
};

async function hear(target: { path: string } | { port: number; host: string }): Promise<string> {
  const socket = net.connect(target);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'end');
  socket.destroy();
  return text;
}

test('a unix socket is served to its group only and removed at the end', async () => {
  const path = join(folder, 'sub/a.sock');
  const listeners = await Listeners.open({ accept: greet }, { addresses: [{ kind: 'unix', path }] });
  assert.equal(statSync(path).mode & 0o777, 0o660);
  assert.equal(await hear({ path }), 'hello');
  await listeners.close();
  assert.equal(existsSync(path), false);
});

test('the socket of a running daemon is not taken, the one of a dead daemon is', async () => {
  const path = join(folder, 'b.sock');
  await using _first = await Listeners.open({ accept: greet }, { addresses: [{ kind: 'unix', path }] });
  await assert.rejects(Listeners.open({ accept: greet }, { addresses: [{ kind: 'unix', path }] }), {
    message: `cannot listen on "unix://${path}": the address is already in use by a running daemon`,
  });
  assert.equal(await hear({ path }), 'hello');
  const stale = join(folder, 'stale.sock');
  await using dead = await Listeners.open({ accept: greet }, { addresses: [{ kind: 'unix', path: `${stale}.new` }] });
  renameSync(`${stale}.new`, stale);
  await dead.close();
  assert.equal(existsSync(stale), true);
  await using _second = await Listeners.open({ accept: greet }, { addresses: [{ kind: 'unix', path: stale }] });
  assert.equal(await hear({ path: stale }), 'hello');
  const file = join(folder, 'file');
  writeFileSync(file, 'precious');
  await assert.rejects(
    Listeners.open({ accept: greet }, { addresses: [{ kind: 'unix', path: file }] }),
    /there is a file that is no socket/,
  );
  assert.equal(readFileSync(file, 'utf8'), 'precious');
});

test('when one address cannot be had, none is left open', async () => {
  const path = join(folder, 'c.sock');
  await using taken = await Listeners.open(
    { accept: greet },
    { addresses: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }] },
  );
  const [port = 0] = taken.ports;
  assert.equal(await hear({ host: '127.0.0.1', port }), 'hello');
  await assert.rejects(
    Listeners.open(
      { accept: greet },
      {
        addresses: [
          { kind: 'unix', path },
          { kind: 'tcp', host: '127.0.0.1', port },
        ],
      },
    ),
    new RegExp(`cannot listen on "tcp://127.0.0.1:${port}"`),
  );
  assert.equal(existsSync(path), false);
});

test('a pid file names the daemon and keeps a second one away', () => {
  const path = join(folder, 'x.pid');
  const commandOf = (pid: number): string | undefined => (pid === 41 ? 'node src/main.ts' : 'sh');
  const first = Pidfile.take(path, { pid: 41, commandOf });
  assert.equal(readFileSync(path, 'utf8').trim(), '41');
  assert.throws(() => Pidfile.take(path, { pid: 42, commandOf }), /process with PID 41 is still running/);
  first.release();
  assert.equal(existsSync(path), false);
});

test('the pid file of a dead daemon, or one whose number another program has, is taken over', () => {
  const path = join(folder, 'y.pid');
  for (const left of ['12\n', 'nonsense', '']) {
    writeFileSync(path, left);
    using own = Pidfile.take(path, { pid: 43, commandOf: () => 'sh' });
    assert.equal(readFileSync(path, 'utf8'), '43\n');
    writeFileSync(path, '44\n');
    own.release();
    assert.equal(readFileSync(path, 'utf8'), '44\n', "another's file stays");
    rmSync(path);
  }
});

function fakeProcess() {
  const emitter = new EventEmitter();
  const exits: number[] = [];
  const exited = Promise.withResolvers<number>();
  return {
    exits,
    exited: exited.promise,
    send: (signal: NodeJS.Signals) => emitter.emit(signal, signal),
    host: {
      on: emitter.on.bind(emitter),
      off: emitter.off.bind(emitter),
      exit: (code: number) => {
        exits.push(code);
        exited.resolve(code);
      },
    },
  };
}

test('SIGTERM puts everything away once and ends with 0', async () => {
  const { host, send, exited } = fakeProcess();
  let calls = 0;
  const terminate = async (): Promise<void> => {
    calls += 1;
  };
  handleSignals({ log: silentLog, process: host }, { terminate, reload: async () => {} }, { graceMs: 60_000 });
  send('SIGTERM');
  send('SIGINT');
  assert.equal(await exited, 0);
  assert.equal(calls, 1);
});

test('a failure while ending, a late end and a third signal end with an error', async () => {
  const failing = fakeProcess();
  const terminate = (): Promise<void> => Promise.reject(new Error('stuck'));
  handleSignals({ log: silentLog, process: failing.host }, { terminate, reload: async () => {} }, { graceMs: 60_000 });
  failing.send('SIGINT');
  assert.equal(await failing.exited, 1);

  const late = fakeProcess();
  let ring = (): void => {};
  const clock: Clock = {
    now: () => 0,
    nowNanos: () => 0n,
    after: (_ms, callback) => {
      ring = callback;
      return () => {};
    },
  };
  const never = (): Promise<void> => new Promise(() => {});
  handleSignals(
    { log: silentLog, clock, process: late.host },
    { terminate: never, reload: async () => {} },
    { graceMs: 1 },
  );
  late.send('SIGTERM');
  ring();
  assert.equal(await late.exited, 1);
  late.send('SIGTERM');
  late.send('SIGTERM');
  assert.deepEqual(late.exits, [1, 130]);
});

test('SIGHUP reloads, one at a time, and a failed reload is survived', async () => {
  const { host, send } = fakeProcess();
  const done: string[] = [];
  const third = Promise.withResolvers<void>();
  const reload = async (): Promise<void> => {
    done.push('begin');
    await Promise.resolve();
    done.push('end');
    if (done.length === 2) throw new Error('bad file');
    if (done.length === 6) third.resolve();
  };
  const remove = handleSignals(
    { log: silentLog, process: host },
    { terminate: async () => {}, reload },
    { graceMs: 1 },
  );
  send('SIGHUP');
  send('SIGHUP');
  send('SIGHUP');
  await third.promise;
  assert.deepEqual(done, ['begin', 'end', 'begin', 'end', 'begin', 'end']);
  remove();
  send('SIGHUP');
  assert.equal(done.length, 6);
});
