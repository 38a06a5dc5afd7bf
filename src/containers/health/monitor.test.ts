import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../../base/index.ts';
import type { HealthState } from '../contract.ts';
import type { HealthOptions } from '../options.ts';
import { Container, type ContainerRecord } from '../records/index.ts';
import { FakeClock, until } from '../testing/index.ts';
import { HealthMonitor, healthPlan } from './monitor.ts';

const SECOND = 1e9;

class Checked implements Disposable {
  readonly clock = new FakeClock();
  readonly changes: HealthState['status'][] = [];
  readonly container: Container;
  readonly monitor: HealthMonitor;
  answer: number | 'hangs' = 0;

  constructor(health: HealthOptions) {
    const record = { id: 'x', effective: { health }, state: { status: 'running' } } as unknown as ContainerRecord;
    this.container = new Container(record);
    this.monitor = new HealthMonitor({
      clock: this.clock,
      log: silentLog,
      changed: (_container, status) => this.changes.push(status),
      probe: async (_container, _cmd, { signal }) => {
        const { answer } = this;
        if (answer !== 'hangs') return { exitCode: answer, output: 'said' };
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        return { exitCode: 137, output: '' };
      },
    });
    this.monitor.start(this.container);
  }

  /** One check, from its timer to its result. */
  async check(answer: number | 'hangs'): Promise<HealthState | undefined> {
    this.answer = answer;
    const before = this.container.health;
    this.clock.advance(this.clock.next ?? 0);
    if (answer === 'hangs') this.clock.advance(this.clock.next ?? 0);
    await until('there is a result', () => this.container.health !== before);
    await until('the next check is planned', () => this.clock.next !== undefined);
    return this.container.health;
  }

  [Symbol.dispose](): void {
    this.monitor.close();
  }
}

describe('health', () => {
  it('turns bad after so many failures in a row and good with one success', async () => {
    using checked = new Checked({ test: ['CMD', 'probe'], interval: SECOND, retries: 2 });
    assert.equal(checked.container.health?.status, 'starting');
    assert.equal((await checked.check(1))?.status, 'starting');
    assert.equal((await checked.check(1))?.status, 'unhealthy');
    assert.equal((await checked.check(0))?.status, 'healthy');
    assert.equal((await checked.check(1))?.failingStreak, 1);
    assert.deepEqual(checked.changes, ['unhealthy', 'healthy']);
    for (let count = 0; count < 4; count += 1) await checked.check(0);
    assert.equal(checked.container.health?.log.length, 5);
  });

  it('does not count failures of the start period', async () => {
    using checked = new Checked({ test: ['CMD', 'probe'], interval: SECOND, retries: 1, startPeriod: 2.5 * SECOND });
    assert.equal((await checked.check(1))?.status, 'starting');
    assert.equal((await checked.check(1))?.status, 'starting');
    assert.equal((await checked.check(1))?.status, 'unhealthy');
  });

  it('takes silence for a failure', async () => {
    using checked = new Checked({ test: ['CMD', 'probe'], interval: SECOND, timeout: 3 * SECOND, retries: 1 });
    const state = await checked.check('hangs');
    assert.equal(state?.status, 'unhealthy');
    assert.deepEqual(
      state?.log.map(({ output, exitCode }) => [output, exitCode]),
      [['Health check exceeded timeout (3s)', -1]],
    );
  });

  it('is checked only where there is a check', () => {
    assert.equal(healthPlan(undefined), null);
    assert.equal(healthPlan({ test: ['NONE'] }), null);
    assert.deepEqual(healthPlan({ test: ['CMD-SHELL', 'a && b'] })?.cmd, ['/bin/sh', '-c', 'a && b']);
    assert.equal(healthPlan({ test: ['CMD', 'a'] })?.intervalMs, 30_000);
  });
});
