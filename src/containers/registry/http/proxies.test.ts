import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { proxyFor } from './proxies.ts';

const SETTINGS = {
  http: 'http://plain:3128',
  https: 'secure:3129',
  none: 'direct.example, .sub.example,10.0.0.0/8,*.star,h:81',
};

describe('a proxy', () => {
  for (const [url, proxy] of [
    ['http://registry.example/v2/', 'http://plain:3128'],
    ['https://registry.example/v2/', 'http://secure:3129'],
    ['https://direct.example/', null],
    ['https://a.direct.example:5000/', null],
    ['https://notdirect.example/', 'http://secure:3129'],
    ['https://sub.example/', 'http://secure:3129'],
    ['https://a.sub.example/', null],
    ['https://a.star/', null],
    ['http://10.1.2.3:5000/', null],
    ['http://11.1.2.3:5000/', 'http://plain:3128'],
    ['http://h:81/', null],
    ['http://h:82/', 'http://plain:3128'],
    ['http://localhost:5000/', null],
    ['http://127.0.0.9:5000/', null],
    ['http://[::1]:5000/', null],
  ] as const) {
    it(`for ${url} is ${proxy ?? 'not used'}`, () => assert.equal(proxyFor(new URL(url), SETTINGS), proxy));
  }

  it('is used for nothing when all are exempt, and for everything when none is', () => {
    assert.equal(proxyFor(new URL('https://a/'), { ...SETTINGS, none: '*' }), null);
    assert.equal(proxyFor(new URL('https://a/'), { https: 'http://p' }), 'http://p');
    assert.equal(proxyFor(new URL('http://a/'), { https: 'http://p' }), null);
  });
});
