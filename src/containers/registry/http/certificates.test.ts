import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { certificatesOf, secureContextOf } from './certificates.ts';

describe('the certificates of a host', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'fwt-certs-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function put(host: string, ...names: string[]): void {
    mkdirSync(join(folder, host), { recursive: true });
    for (const name of names) writeFileSync(join(folder, host, name), name);
  }

  it('are authorities and pairs, from every folder that has some', () => {
    put('a:5000', 'ca.crt', 'me.cert', 'me.key', 'notes.txt');
    assert.deepEqual(certificatesOf('a:5000', [folder, '/nonexistent']), {
      authorities: ['ca.crt'],
      certificates: ['me.cert'],
      keys: ['me.key'],
    });
    assert.deepEqual(certificatesOf('b', [folder]), { authorities: [], certificates: [], keys: [] });
  });

  it('that miss their other half are refused', () => {
    put('half', 'me.cert');
    assert.throws(() => certificatesOf('half', [folder]), {
      kind: 'invalid',
      message: 'missing key me.key for client certificate me.cert. CA certificates must use the extension .crt',
    });
    put('other', 'me.key');
    assert.throws(() => certificatesOf('other', [folder]), {
      kind: 'invalid',
      message: 'missing client certificate me.cert for key me.key',
    });
  });

  it('that are none are refused by name of the reason', () => {
    assert.throws(() => secureContextOf({ authorities: [], certificates: ['x'], keys: ['y'] }), {
      kind: 'invalid',
      message: /^cannot use the certificates of a registry: /,
    });
  });
});
