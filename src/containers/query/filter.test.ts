import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setUp, specOf } from '../testing/index.ts';

describe('lists of containers', () => {
  it('show what Docker’s filters ask for', async () => {
    await using setup = await setUp();
    const { containers } = setup.parts;
    const make = async (name: string, part: Parameters<typeof specOf>[0] = {}): Promise<string> => {
      setup.clock.advance(1_000);
      return (await containers.create({ name, spec: specOf(part), networks: [{ name: 'bridge', request: {} }] })).id;
    };
    await make('plain');
    const webId = await make('web1', {
      labels: { tier: 'front' },
      network: { exposed: [{ protocol: 'tcp', port: 80 }] },
    });
    await make('web2', { labels: { tier: 'back' } });
    await containers.start('web1');
    const list = async (filters: Record<string, string[]>, more: object = {}): Promise<string[]> =>
      (await containers.list({ all: true, filters, ...more })).map(({ name }) => name);
    assert.deepEqual(await list({}), ['web2', 'web1', 'plain']);
    assert.deepEqual(await list({}, { all: false }), ['web1']);
    assert.deepEqual(await list({}, { all: false, limit: 2 }), ['web2', 'web1']);
    assert.deepEqual(await list({ name: ['web'] }), ['web2', 'web1']);
    assert.deepEqual(await list({ name: ['^/web1$'] }), ['web1']);
    assert.deepEqual(await list({ id: [webId.slice(0, 8)] }), ['web1']);
    assert.deepEqual(await list({ label: ['tier'] }), ['web2', 'web1']);
    assert.deepEqual(await list({ label: ['tier=front'] }), ['web1']);
    assert.deepEqual(await list({ label: ['tier', 'tier=back'] }), ['web2']);
    assert.deepEqual(await list({ status: ['created'] }, { all: false }), ['web2', 'plain']);
    assert.deepEqual(await list({ network: ['bridge'], name: ['plain'] }), ['plain']);
    assert.deepEqual(await list({ expose: ['79-81'] }), ['web1']);
    assert.deepEqual(await list({ ancestor: ['busybox', 'nothing'] }), ['web2', 'web1', 'plain']);
    assert.deepEqual(await list({ before: ['web1'] }), ['plain']);
    assert.deepEqual(await list({ since: ['web1'] }), ['web2']);
    assert.deepEqual(await list({ health: ['none'], name: ['plain'] }), ['plain']);
    await assert.rejects(list({ colour: ['red'] }), { message: "invalid filter 'colour'" });
    await assert.rejects(list({ status: ['asleep'] }), { message: "invalid filter 'status=asleep'" });
    await assert.rejects(list({ before: ['nobody'] }), { message: 'No such container: nobody' });
  });
});
