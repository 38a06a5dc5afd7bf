import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Simulation } from './testing/simulation.ts';

describe('whoever waits for a node to take part', () => {
  it('is told when it does, unless the wait is ended before', async () => {
    const simulation = new Simulation();
    const a = simulation.newNode('a');
    a.store.cut();
    await a.start();
    const impatient = new AbortController();
    const given = assert.rejects(a.cluster.takesPart(impatient.signal), { message: 'enough' });
    const told = a.cluster.takesPart(new AbortController().signal);
    impatient.abort(new Error('enough'));
    await given;
    assert.equal(a.cluster.reachable, false);
    a.store.heal();
    await simulation.clock.advance(1000);
    await told;
    assert.equal(a.cluster.reachable, true);
    await a.cluster.takesPart(new AbortController().signal);
  });

  it('is told at once that the store has another schema', async () => {
    const simulation = new Simulation();
    const a = simulation.newNode('a');
    await a.store.put('schema', { version: 7, cluster: 'x' });
    const told = assert.rejects(a.cluster.takesPart(new AbortController().signal), { code: 'cluster_schema' });
    await a.start();
    await simulation.clock.advance(10_000);
    await told;
  });
});
