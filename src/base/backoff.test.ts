import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { Backoff } from './backoff.ts';
import { systemClock } from './clock.ts';

describe('work that is asked for again and again', () => {
  let done: number;
  let useful: boolean;
  let errors: unknown[];
  let backoff: Backoff;

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    done = 0;
    useful = true;
    errors = [];
    const work = async (): Promise<boolean> => {
      done += 1;
      return useful;
    };
    const onError = (error: unknown): number => errors.push(error);
    backoff = new Backoff({ clock: systemClock, work: () => work(), onError }, { longestMs: 50 });
  });
  afterEach(() => {
    backoff[Symbol.dispose]();
    mock.timers.reset();
  });

  /** Asks, and says after how many milliseconds it was done. */
  async function delay(): Promise<number> {
    const before = done;
    backoff.ask();
    for (let ms = 0; ms < 1000; ms += 1) {
      if (done > before) {
        await Promise.resolve();
        await Promise.resolve();
        return ms;
      }
      mock.timers.tick(1);
    }
    throw new Error('it was not done');
  }

  it('is done once for all who ask in the same moment', () => {
    for (let time = 0; time < 5; time += 1) backoff.ask();
    mock.timers.tick(1000);
    assert.equal(done, 1);
  });

  it('is done later and later, up to a limit, and at once again after a calm minute', async () => {
    assert.deepEqual([await delay(), await delay(), await delay(), await delay()], [20, 40, 50, 50]);
    mock.timers.tick(60_001);
    assert.equal(await delay(), 20);
  });

  it('is not slowed down by having nothing to do', async () => {
    useful = false;
    assert.deepEqual([await delay(), await delay()], [20, 20]);
  });

  it('goes on, slower, when it fails', async () => {
    const failing = new Backoff(
      { clock: systemClock, work: () => Promise.reject(new Error('broken')), onError: (error) => errors.push(error) },
      { longestMs: 50 },
    );
    for (const ms of [20, 40]) {
      failing.ask();
      mock.timers.tick(ms);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(
      errors.map((error) => (error as Error).message),
      ['broken', 'broken'],
    );
    failing[Symbol.dispose]();
  });

  it('is not done after the end', () => {
    backoff.ask();
    backoff[Symbol.dispose]();
    backoff.ask();
    mock.timers.tick(1000);
    assert.equal(done, 0);
  });
});
