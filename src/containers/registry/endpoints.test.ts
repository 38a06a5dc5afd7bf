import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HUB } from '../images/index.ts';
import { parseChallenge } from './credentials.ts';
import { endpointsOf, isInsecure } from './endpoints.ts';

describe('where a registry answers', () => {
  it('is HTTPS, and plain HTTP as well only for loopback or as configured', () => {
    const origins = (domain: string, insecureRegistries: string[] = []): string[] =>
      endpointsOf(domain, { insecureRegistries }).map(({ origin }) => origin);
    assert.deepEqual(origins('example.org'), ['https://example.org']);
    assert.deepEqual(origins('localhost:5000'), ['https://localhost:5000', 'http://localhost:5000']);
    assert.deepEqual(origins('10.1.2.3:5000', ['10.0.0.0/8']).length, 2);
  });

  it('is the mirrors first for the default registry, when pulling', () => {
    const mirrors = ['https://mirror.example/'];
    assert.deepEqual(
      endpointsOf(HUB.domain, { mirrors }).map(({ origin }) => origin),
      ['https://mirror.example', `https://${HUB.registryHost}`],
    );
    assert.equal(endpointsOf(HUB.domain, { mirrors }, true).length, 1);
    assert.equal(endpointsOf('example.org', { mirrors }).length, 1);
  });

  it('is insecure by host, by host and port, and by network', () => {
    for (const domain of ['127.0.0.1:5000', '127.9.9.9', 'localhost', '[::1]:5000'])
      assert.ok(isInsecure(domain, []), domain);
    assert.ok(isInsecure('reg.example:5000', ['reg.example:5000']));
    assert.ok(isInsecure('reg.example:5000', ['reg.example']));
    assert.ok(isInsecure('192.168.7.9', ['192.168.0.0/16']));
    assert.ok(!isInsecure('192.169.7.9', ['192.168.0.0/16']));
    assert.ok(!isInsecure('127.evil.example', []));
    assert.ok(!isInsecure('1270.0.0.1.example', ['0.0.0.0/0']));
    assert.ok(isInsecure('1.2.3.4', ['0.0.0.0/0']));
  });
});

describe('challenges', () => {
  it('are read with quoted and plain values', () => {
    assert.deepEqual(parseChallenge('Bearer realm="https://a/b?c=d,e",service=reg, scope="x \\"y\\""'), {
      scheme: 'bearer',
      parameters: { realm: 'https://a/b?c=d,e', service: 'reg', scope: 'x "y"' },
    });
    assert.equal(parseChallenge('Basic realm="x"')?.scheme, 'basic');
    assert.equal(parseChallenge('Negotiate'), null);
    assert.equal(parseChallenge(''), null);
  });
});
