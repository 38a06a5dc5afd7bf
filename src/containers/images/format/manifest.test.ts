import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  chainIds,
  digestOf,
  gcLabels,
  hostPlatform,
  type ManifestIndex,
  MEDIA_TYPE,
  parseConfig,
  parseIndex,
  parseManifest,
  parsePlatform,
  selectManifest,
} from './manifest.ts';

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
const descriptor = (letter: string) => ({ mediaType: MEDIA_TYPE.dockerLayer, digest: digest(letter), size: 1 });

describe('manifests', () => {
  it('name a stack of layers by hashing one onto the other', () => {
    const [first, second, third] = chainIds([digest('a'), digest('b'), digest('c')]);
    assert.equal(first, digest('a'));
    assert.equal(second, digestOf(`${digest('a')} ${digest('b')}`));
    assert.equal(third, digestOf(`${second} ${digest('c')}`));
    assert.deepEqual(chainIds([]), []);
  });

  it('hold their blobs by labels', () => {
    const manifest = { schemaVersion: 2, config: descriptor('c'), layers: [descriptor('a'), descriptor('b')] } as const;
    assert.deepEqual(Object.values(gcLabels(manifest)).sort(), [digest('a'), digest('b'), digest('c')]);
  });

  it('are refused without config, layers or the right schema', () => {
    const cases = [
      '{',
      '[]',
      '{"schemaVersion":1}',
      '{"schemaVersion":2}',
      JSON.stringify({ schemaVersion: 2, config: descriptor('a'), layers: [{ digest: 'md5:0' }] }),
      JSON.stringify({ schemaVersion: 2, config: { ...descriptor('a'), size: -1 }, layers: [] }),
    ];
    for (const text of cases) assert.throws(() => parseManifest(Buffer.from(text)), { kind: 'invalid' }, text);
    assert.throws(() => parseIndex(Buffer.from('{"manifests":[{}]}')), { kind: 'invalid' });
    assert.throws(() => parseConfig(Buffer.from('{"rootfs":{"diff_ids":["x"]}}')), { kind: 'invalid' });
    assert.throws(() => parseConfig(Buffer.from('{}')), { kind: 'invalid' });
  });
});

describe('platforms', () => {
  const arm = { os: 'linux', architecture: 'arm64', variant: 'v8' };
  const index: ManifestIndex = {
    schemaVersion: 2,
    manifests: [
      { ...descriptor('a'), platform: { os: 'linux', architecture: 'amd64' } },
      { ...descriptor('b'), platform: { os: 'linux', architecture: 'arm', variant: 'v6' } },
      { ...descriptor('c'), platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
      { ...descriptor('d'), platform: { os: 'linux', architecture: 'arm64' } },
    ],
  };

  it('choose the manifest of the same variant, or one without', () => {
    assert.equal(selectManifest(index, { os: 'linux', architecture: 'amd64' })?.digest, digest('a'));
    assert.equal(selectManifest(index, { os: 'linux', architecture: 'arm', variant: 'v7' })?.digest, digest('c'));
    assert.equal(selectManifest(index, arm)?.digest, digest('d'));
    assert.equal(selectManifest(index, { os: 'linux', architecture: 's390x' }), undefined);
    assert.equal(selectManifest(index, { os: 'linux', architecture: 'arm', variant: 'v5' }), undefined);
  });

  it('are read as users write them', () => {
    assert.deepEqual(parsePlatform('linux/arm64/v8'), arm);
    assert.deepEqual(parsePlatform('linux', arm), arm);
    assert.equal(parsePlatform('aarch64').architecture, 'arm64');
    assert.equal(parsePlatform('linux/x86_64').architecture, 'amd64');
    assert.throws(() => parsePlatform('a/b/c/d'), { kind: 'invalid' });
    assert.throws(() => parsePlatform('linux/'), { kind: 'invalid' });
  });

  it('are named as registries name them', () => {
    assert.equal(hostPlatform('x64').architecture, 'amd64');
    assert.equal(hostPlatform('s390x').architecture, 's390x');
  });
});
