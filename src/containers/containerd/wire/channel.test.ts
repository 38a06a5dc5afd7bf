import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { Channel } from './channel.ts';
import { Schema } from './schema.ts';

type Handler = grpc.UntypedHandleCall;

/** A gRPC server on a unix socket that answers a few methods of containerd. */
async function serve(socketPath: string, services: Record<string, Record<string, Handler>>): Promise<grpc.Server> {
  const schema = await Schema.load();
  const server = new grpc.Server();
  for (const [service, handlers] of Object.entries(services)) {
    const methods = Object.keys(handlers).map((name) => [name, schema.method(service, name)]);
    server.addService(Object.fromEntries(methods), handlers);
  }
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socketPath}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return server;
}

describe('the channel to containerd', () => {
  let folder = '';
  let server: grpc.Server;
  let channel: Channel;
  const seen: { namespace: unknown; lease: unknown }[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fairway-channel-'));
    const socketPath = join(folder, 's');
    const unary =
      (answer: (request: Record<string, unknown>) => object): Handler =>
      (call: grpc.ServerUnaryCall<Record<string, unknown>, object>, callback: grpc.sendUnaryData<object>) => {
        seen.push({
          namespace: call.metadata.get('containerd-namespace')[0],
          lease: call.metadata.get('containerd-lease')[0],
        });
        try {
          callback(null, answer(call.request));
        } catch (error) {
          callback(error as grpc.ServerErrorResponse);
        }
      };
    server = await serve(socketPath, {
      'containers.v1.Containers': {
        Get: unary(({ id }) => {
          const details = `container "${String(id)}": not found`;
          throw Object.assign(new Error(details), { code: grpc.status.NOT_FOUND, details });
        }),
      },
      'snapshots.v1.Snapshots': { Usage: unary(() => ({ size: '9007199254740993', inodes: 3 })) },
      'tasks.v1.Tasks': { Wait: () => {} },
      'content.v1.Content': {
        Read: (call: grpc.ServerWritableStream<object, object>) => {
          call.write({ offset: 0, data: Buffer.from('one') });
          call.write({ offset: 3, data: Buffer.from('two') });
          call.end();
        },
        Write: (call: grpc.ServerDuplexStream<{ action: string; data: Buffer }, object>) => {
          let offset = 0;
          call.on('data', (message: { action: string; data: Buffer }) => {
            offset += message.data.length;
            if (message.action === 'COMMIT') {
              const details = 'unexpected commit digest';
              call.emit('error', Object.assign(new Error(details), { code: grpc.status.FAILED_PRECONDITION, details }));
            } else call.write({ action: message.action, offset });
          });
          call.on('end', () => call.end());
        },
      },
    });
    channel = await Channel.open(socketPath, 'tests');
  });

  after(async () => {
    channel.close();
    server.forceShutdown();
    await rm(folder, { recursive: true });
  });

  it('carries namespace and lease, and 64-bit numbers whole', async () => {
    const call = { service: 'snapshots.v1.Snapshots', method: 'Usage', what: 'measure' };
    const usage = await channel.unary<{ size: string }>(call, { key: 'k' }, { lease: 'l' });
    assert.equal(usage.size, '9007199254740993');
    assert.deepEqual(seen.at(-1), { namespace: 'tests', lease: 'l' });
  });

  it('turns a status into an error that says what was tried', async () => {
    const call = { service: 'containers.v1.Containers', method: 'Get', what: 'inspect container "x"' };
    await assert.rejects(channel.unary(call, { id: 'x' }), {
      kind: 'notFound',
      code: 'containerd_not_found',
      message: 'cannot inspect container "x": container "x": not found',
      details: 'container "x": not found',
    });
  });

  it('gives a call up at its deadline and on the signal', async () => {
    const call = { service: 'tasks.v1.Tasks', method: 'Wait', what: 'wait for task "x"' };
    await assert.rejects(channel.unary(call, {}, { deadlineMs: 1 }), {
      kind: 'unavailable',
      message: 'cannot wait for task "x": containerd did not answer in time',
    });
    const abort = new AbortController();
    const waiting = channel.unary(call, {}, { deadlineMs: null, signal: abort.signal });
    abort.abort(new Error('enough'));
    await assert.rejects(waiting, { message: 'enough' });
    await assert.rejects(channel.unary(call, {}, { signal: abort.signal }), { message: 'enough' });
  });

  it('streams, to the end or until the loop is left', async () => {
    const call = { service: 'content.v1.Content', method: 'Read', what: 'read' };
    const parts: string[] = [];
    for await (const { data } of channel.stream<{ data: Buffer }>(call, {})) parts.push(data.toString());
    assert.deepEqual(parts, ['one', 'two']);
    for await (const { data } of channel.stream<{ data: Buffer }>(call, {})) {
      assert.equal(data.toString(), 'one');
      break;
    }
  });

  it('exchanges messages in step and hears of a refusal', async () => {
    const call = { service: 'content.v1.Content', method: 'Write', what: 'write content "x"' };
    const duplex = channel.duplex<object, { offset: string }>(call);
    assert.equal((await duplex.exchange({ action: 'WRITE', data: Buffer.from('abc') })).offset, '3');
    assert.equal((await duplex.exchange({ action: 'WRITE', data: Buffer.from('de') })).offset, '5');
    const refusal = { kind: 'conflict', message: 'cannot write content "x": unexpected commit digest' };
    await assert.rejects(duplex.exchange({ action: 'COMMIT' }), refusal);
    await assert.rejects(duplex.exchange({ action: 'WRITE' }), refusal);
    duplex.close();
  });

  it('names the socket when nobody is there', async () => {
    const socketPath = join(folder, 'nobody');
    const lonely = await Channel.open(socketPath, 'tests');
    const call = { service: 'version.v1.Version', method: 'Version', what: 'ask' };
    await assert.rejects(lonely.unary(call, {}, { graceMs: 0 }), {
      kind: 'unavailable',
      message: `cannot reach containerd at "${socketPath}": connect ENOENT ${socketPath}`,
    });
    lonely.close();
  });

  it('waits a moment for a containerd that is coming back', async () => {
    const socketPath = join(folder, 'late');
    const early = await Channel.open(socketPath, 'tests');
    const call = { service: 'version.v1.Version', method: 'Version', what: 'ask' };
    const answer = early.unary<{ version: string }>(call, {}, { graceMs: 60_000, deadlineMs: 60_000 });
    const late = await serve(socketPath, {
      'version.v1.Version': {
        Version: (_: unknown, callback: grpc.sendUnaryData<object>) => callback(null, { version: '1' }),
      },
    });
    assert.equal((await answer).version, '1');
    early.close();
    late.forceShutdown();
  });
});
