import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Containers } from '../contract.ts';
import { setUp, specOf, type TestSetup } from '../testing/index.ts';

/** Lets the n-th call of containerd fail from now on, before it does anything. Gives which one it was. */
function failAt(setup: TestSetup, at: number): () => string | undefined {
  let left = at;
  let struck: string | undefined;
  for (const [part, calls] of Object.entries(setup.containerd.engine)) {
    for (const [name, call] of Object.entries(calls)) {
      // What is waited for is an end, and nothing is changed by it.
      if (typeof call !== 'function' || name === 'wait' || part === 'events') continue;
      Object.assign(calls, {
        [name]: async (...args: readonly unknown[]): Promise<unknown> => {
          left -= 1;
          if (left === -1) {
            struck = `${part}.${name}`;
            throw new Error(`${struck} fails`);
          }
          return Reflect.apply(call, calls, args);
        },
      });
    }
  }
  return () => struck;
}

const BOX = { name: 'box', spec: specOf(), networks: [{ name: 'bridge', request: {} }] };

const OPERATIONS: Readonly<
  Record<string, { readonly begun: boolean; readonly act: (c: Containers) => Promise<unknown> }>
> = {
  start: { begun: false, act: (containers) => containers.start('box') },
  stop: { begun: true, act: (containers) => containers.stop('box') },
  'forced removal': { begun: true, act: (containers) => containers.remove('box', { force: true }) },
};

describe('a failing call of containerd', () => {
  for (const [name, { begun, act }] of Object.entries(OPERATIONS)) {
    it(`at any point of a ${name} can be tried again, and nothing is left in the end`, async (t) => {
      for (let at = 0; ; at += 1) {
        await using setup = await setUp();
        const { containers } = setup.parts;
        await containers.create(BOX);
        if (begun) await containers.start('box');
        const struck = failAt(setup, at);
        const first = await act(containers).then(
          () => true,
          () => false,
        );
        if (struck() === undefined) {
          t.diagnostic(`${at} calls`);
          assert.ok(first && at > 0);
          break;
        }
        if (!first && !begun) {
          assert.equal(setup.containerd.tasks.size, 0, String(struck()));
          assert.equal(setup.network.open.size, 0, String(struck()));
          await containers.start('box');
        }
        await containers.remove('box', { force: true }).catch((error: Error) => {
          assert.match(error.message, /No such container/, String(struck()));
        });
        assert.deepEqual(await containers.list({ all: true, filters: {} }), [], String(struck()));
        assert.equal(setup.containerd.tasks.size, 0, String(struck()));
        assert.equal(setup.containerd.records.size, 0, String(struck()));
        assert.equal(setup.network.open.size, 0, String(struck()));
        assert.equal(setup.images.rootfs.size, 0, String(struck()));
        assert.deepEqual(await setup.store.list('containers/'), [], String(struck()));
      }
    });
  }
});
