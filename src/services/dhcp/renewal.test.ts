import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Clock, newId, parseCidr, parseIp, silentLog } from '../../base/index.ts';
import type { Lease, LeaseLink } from '../../model/index.ts';
import { Renewal } from './renewal.ts';

/** Time that goes on only when told to. */
class HandClock implements Clock {
  #now = 0;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  nowNanos(): bigint {
    return BigInt(this.#now) * 1_000_000n;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  async until(end: number): Promise<void> {
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#now = end;
  }
}

const LINK: LeaseLink = { sandboxPath: '/x', ifname: 'eth0', ownerId: newId(), networkId: newId(), hostname: 'web' };

function leaseFrom(nowMs: number, address = '10.0.0.5/24'): Lease {
  const times = {
    obtainedMs: nowMs,
    renewMs: nowMs + 1_800_000,
    rebindMs: nowMs + 3_150_000,
    endMs: nowMs + 3_600_000,
  };
  return { address: parseCidr(address), server: parseIp('10.0.0.1'), routes: [], dns: [], ...times };
}

type Answer = (any: boolean) => Lease | 'refused' | undefined;

function start(answer: Answer) {
  const clock = new HandClock();
  const asked: string[] = [];
  const told: Lease[] = [];
  const minutes = (): number => Math.round(clock.now() / 60_000);
  const client = {
    renew: async (_link: LeaseLink, _lease: Lease, any: boolean) => {
      asked.push(`${any ? 'any' : 'own'} ${minutes()}`);
      return answer(any);
    },
    acquire: async () => {
      asked.push(`new ${minutes()}`);
      return leaseFrom(clock.now(), '10.0.0.6/24');
    },
  };
  const kept = { link: LINK, lease: leaseFrom(0), changed: (lease: Lease) => told.push(lease) };
  const renewal = new Renewal({ client, clock, log: silentLog }, kept);
  renewal.start();
  return { clock, asked, told, renewal };
}

describe('the renewal of a lease', () => {
  it('asks its server after half of the time, again and again', async () => {
    const run = start(() => leaseFrom(run.clock.now()));
    await run.clock.until(29 * 60_000);
    assert.deepEqual(run.asked, []);
    await run.clock.until(95 * 60_000);
    assert.deepEqual(run.asked, ['own 30', 'own 60', 'own 90']);
    assert.equal(run.told.length, 3);
  });

  it('asks ever more often while there is no answer, then any server, then for another', async () => {
    const run = start(() => undefined);
    await run.clock.until(61 * 60_000);
    assert.deepEqual(run.asked.slice(0, 3), ['own 30', 'own 41', 'own 47']);
    assert.ok(run.asked.includes('any 53'));
    assert.equal(run.asked.at(-1), 'new 60');
    assert.ok(run.asked.length < 40);
    assert.equal(run.told.at(-1)?.address.ip, '10.0.0.6');
  });

  it('asks for another at once when the server refuses', async () => {
    const run = start(() => 'refused');
    await run.clock.until(31 * 60_000);
    assert.deepEqual(run.asked, ['own 30', 'new 30']);
  });

  it('ends when it is stopped', async () => {
    const run = start(() => undefined);
    await run.clock.until(35 * 60_000);
    run.renewal.stop();
    await run.clock.until(200 * 60_000);
    assert.deepEqual(run.asked, ['own 30']);
  });
});
