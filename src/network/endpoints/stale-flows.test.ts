import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Id, Ip } from '../../base/index.ts';
import type { Flow } from '../../kernel/index.ts';
import type { PortEntry } from '../../model/index.ts';
import { flowsOf, staleFlows } from './stale-flows.ts';

const CLIENT = '10.99.0.254' as Ip;
const HOST = '10.99.0.1' as Ip;
const CONTAINER = '172.17.0.2' as Ip;

function port(more: Partial<PortEntry> = {}): PortEntry {
  return {
    kind: 'port',
    networkId: 'n' as Id,
    endpointId: 'e' as Id,
    bridge: 'br0',
    protocol: 'udp',
    hostIp: '0.0.0.0' as Ip,
    hostPort: 53,
    containerIp: CONTAINER,
    containerPort: 5353,
    ...more,
  };
}

/** From the client to the host, answered by whoever is named. */
function flow(answers: Ip, more: Partial<Flow> & { readonly answersFrom?: number } = {}): Flow {
  const { answersFrom = 53, ...rest } = more;
  return {
    protocolNumber: 17,
    protocol: 'udp',
    original: { source: CLIENT, destination: HOST, sourcePort: 4000, destinationPort: 53 },
    reply: { source: answers, destination: CLIENT, sourcePort: answersFrom, destinationPort: 4000 },
    ...rest,
  };
}

describe('flows that a change of ports makes stale', () => {
  it('are none without UDP ports', () => {
    assert.equal(staleFlows({ add: [port({ protocol: 'tcp' })], remove: [port({ protocol: 'tcp' })] }), undefined);
    assert.equal(staleFlows({ add: [], remove: [] }), undefined);
  });

  it('are those to a container that lost its port', () => {
    const stale = staleFlows({ add: [], remove: [port()] });
    assert.equal(stale?.(flow(CONTAINER, { answersFrom: 5353 })), true);
    assert.equal(stale?.(flow('172.17.0.3' as Ip, { answersFrom: 5353 })), false);
    assert.equal(stale?.(flow(CONTAINER, { answersFrom: 5353, protocol: 'tcp' })), false);
    assert.equal(stale?.(flow(HOST)), false);
  });

  it('are those to the host itself on a port that is now a container’s', () => {
    const anywhere = staleFlows({ add: [port()], remove: [] });
    const elsewhere = staleFlows({ add: [port({ hostIp: '10.99.0.2' as Ip })], remove: [] });
    assert.equal(anywhere?.(flow(HOST)), true);
    assert.equal(elsewhere?.(flow(HOST)), false);
    const leaving = flow(HOST, { reply: { source: HOST, destination: HOST, sourcePort: 53, destinationPort: 4000 } });
    assert.equal(anywhere?.(leaving), false, 'translated sources leave the host');
  });

  it('are those of an address that nobody has any more, whoever began them', () => {
    const stale = flowsOf([CONTAINER]);
    assert.equal(stale(flow(CONTAINER)), true);
    const lastAnswer = flow(CLIENT, {
      original: { source: CONTAINER, destination: CLIENT, sourcePort: 5353, destinationPort: 4000 },
      reply: { source: CLIENT, destination: HOST, sourcePort: 4000, destinationPort: 53 },
    });
    assert.equal(stale(lastAnswer), true);
    assert.equal(stale({ ...lastAnswer, protocol: 'tcp' }), false);
    assert.equal(stale(flow(HOST)), false);
  });
});
