import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../base/index.ts';
import { whenIdle } from './idle.ts';

describe('putting away what work has left', () => {
  function daemon() {
    const clock = new ManualClock();
    let worked = 0;
    let times = 0;
    const end = whenIdle({ clock, workedMs: () => worked }, () => {
      times += 1;
      worked += 5000;
    });
    return {
      end,
      /** Five seconds in which it worked so much. */
      work: async (ms: number): Promise<number> => {
        worked += ms;
        await clock.advance(5000);
        return times;
      },
    };
  }

  it('waits until the start is over and nothing is to be done', async () => {
    const { work } = daemon();
    assert.equal(await work(4000), 0);
    assert.equal(await work(100), 1);
    assert.equal(await work(0), 1);
  });

  it('is done once for each burst of work, not for a little now and then, nor for itself', async () => {
    const { work } = daemon();
    assert.equal(await work(0), 1);
    assert.equal(await work(200), 1);
    assert.equal(await work(900), 1);
    assert.equal(await work(0), 2);
    assert.equal(await work(0), 2);
  });

  it('ends', async () => {
    const { work, end } = daemon();
    end();
    assert.equal(await work(0), 0);
  });
});
