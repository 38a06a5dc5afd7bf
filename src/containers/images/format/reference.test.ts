import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  familiarName,
  familiarRepository,
  fullName,
  parseReference,
  repositoryOf,
  withDefaultTag,
} from './reference.ts';

describe('image names', () => {
  const names: readonly (readonly [string, string, string])[] = [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['me/app', 'docker.io/me/app:latest', 'me/app:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/a/b:x', 'localhost:5000/a/b:x', 'localhost:5000/a/b:x'],
    ['example.org/app', 'example.org/app:latest', 'example.org/app:latest'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
    ['Upper/app', 'Upper/app:latest', 'Upper/app:latest'],
    ['a-b__c/d.e---f', 'docker.io/a-b__c/d.e---f:latest', 'a-b__c/d.e---f:latest'],
  ];
  for (const [typed, full, shown] of names) {
    it(`reads ${typed} as ${full} and shows ${shown}`, () => {
      const reference = withDefaultTag(parseReference(typed));
      assert.equal(fullName(reference), full);
      assert.equal(familiarName(reference), shown);
    });
  }

  it('keeps a digest and lets it stand before a tag', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const reference = withDefaultTag(parseReference(`busybox:1@${digest}`));
    assert.equal(fullName(reference), `docker.io/library/busybox@${digest}`);
    assert.equal(familiarName(reference), `busybox:1@${digest}`);
    assert.equal(repositoryOf(reference), 'docker.io/library/busybox');
  });

  it('does not shorten a name into another one', () => {
    assert.equal(familiarRepository(parseReference('library/a/b')), 'library/a/b');
  });

  for (const bad of [
    '',
    ' ',
    'a b',
    ':tag',
    'app:',
    'app:ta/g',
    'app@',
    '-app',
    'app/',
    '/app',
    'a//b',
    '../etc',
    'app@sha256:12',
    'app:.x',
    `app:${'t'.repeat(129)}`,
  ]) {
    it(`refuses ${JSON.stringify(bad)}`, () => {
      assert.throws(() => parseReference(bad), { kind: 'invalid', message: /^invalid reference format/ });
    });
  }

  it('refuses capitals with the text of Docker', () => {
    assert.throws(() => parseReference('Busybox'), {
      message: 'invalid reference format: repository name (library/Busybox) must be lowercase',
    });
  });

  it('refuses a name that is a whole id', () => {
    const id = '0'.repeat(64);
    assert.throws(() => parseReference(id), {
      message: `invalid repository name (${id}), cannot specify 64-byte hexadecimal strings`,
    });
  });

  it('refuses a digest of the wrong length', () => {
    assert.throws(() => parseReference(`app@sha256:${'a'.repeat(40)}`), { message: 'invalid checksum digest length' });
  });

  it('refuses a path that is too long', () => {
    assert.throws(() => parseReference(`me/${'a'.repeat(300)}`), {
      message: 'repository name must not be more than 255 characters',
    });
  });
});
