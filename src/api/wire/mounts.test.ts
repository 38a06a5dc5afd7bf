import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { CreateBody } from './container-create.ts';
import { parseCreate } from './container-spec.ts';

function mountsOf(host: object, version = 51) {
  return parseCreate(v.parse(CreateBody, { Image: 'i', HostConfig: host }), { version }).spec.mounts;
}

const bind = { Type: 'bind', Source: '/s', Target: '/t' };
const volume = { Type: 'volume', Source: 'vol', Target: '/t' };
const tmpfs = { Type: 'tmpfs', Target: '/t' };

const REFUSED: readonly [object, string, number?][] = [
  [{ ...bind, Target: '' }, 'invalid mount config for type "bind": field Target must not be empty'],
  [
    { ...bind, Target: 'rel' },
    `invalid mount config for type "bind": invalid mount path: 'rel' mount path must be absolute`,
  ],
  [
    { ...bind, Target: '/a/..' },
    `invalid mount config for type "bind": invalid specification: destination can't be '/'`,
  ],
  [{ ...bind, Source: '' }, 'invalid mount config for type "bind": field Source must not be empty'],
  [
    { ...bind, Source: 'rel' },
    `invalid mount config for type "bind": invalid mount path: 'rel' mount path must be absolute`,
  ],
  [{ ...bind, VolumeOptions: {} }, 'invalid mount config for type "bind": field VolumeOptions must not be specified'],
  [{ ...bind, TmpfsOptions: {} }, 'invalid mount config for type "bind": field TmpfsOptions must not be specified'],
  [
    { ...bind, BindOptions: { Propagation: 'wide' } },
    'invalid mount config for type "bind": invalid propagation mode: wide',
  ],
  [
    { ...bind, BindOptions: { ReadOnlyNonRecursive: true } },
    'mount options conflict: !ReadOnly && BindOptions.ReadOnlyNonRecursive',
  ],
  [
    { ...bind, BindOptions: { ReadOnlyForceRecursive: true } },
    'mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive',
  ],
  [
    { ...bind, ReadOnly: true, BindOptions: { ReadOnlyForceRecursive: true, ReadOnlyNonRecursive: true } },
    'mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive',
  ],
  [
    { ...bind, ReadOnly: true, BindOptions: { ReadOnlyForceRecursive: true } },
    'BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer',
    43,
  ],
  [{ ...volume, BindOptions: {} }, 'invalid mount config for type "volume": field BindOptions must not be specified'],
  [
    { ...volume, Source: '', VolumeOptions: { Subpath: 'a' } },
    'invalid mount config for type "volume": must not set Subpath when using anonymous volumes',
  ],
  [
    { ...volume, VolumeOptions: { Subpath: 'a/../../b' } },
    'invalid mount config for type "volume": subpath must be a relative path within the volume',
  ],
  [
    { ...volume, VolumeOptions: { Subpath: '/a' } },
    'invalid mount config for type "volume": subpath must be a relative path within the volume',
  ],
  [{ ...volume, VolumeOptions: { Subpath: 'a' } }, 'VolumeOptions.Subpath needs API v1.45 or newer', 44],
  [{ ...tmpfs, Source: 'x' }, 'invalid mount config for type "tmpfs": field Source must not be specified'],
  [{ ...tmpfs, TmpfsOptions: { Options: [['suid']] } }, 'invalid mount config for type "tmpfs": invalid option: suid'],
  [{ Type: 'npipe', Source: 's', Target: '/t' }, 'invalid mount config for type "npipe": mount type unknown'],
  [{ Type: 'cluster', Source: 's', Target: '/t' }, 'invalid mount config for type "cluster": mount type unknown'],
];

for (const [mount, message, version] of REFUSED) {
  test(`a mount ${JSON.stringify(mount)} is refused`, () => {
    assert.throws(() => mountsOf({ Mounts: [mount] }, version), { kind: 'invalid', message });
  });
}

test('binds, tmpfs and volumes-from that make no sense are refused', () => {
  const cases: readonly [object, string][] = [
    [{ Binds: ['/data:ro'] }, "invalid volume specification: '/data:ro'"],
    [{ Binds: ['/a:/b:ro,rw'] }, 'invalid mode: ro,rw'],
    [{ Binds: ['/a:/b:fast'] }, 'invalid mode: fast'],
    [{ Binds: ['/a:/b:shared,rslave'] }, 'invalid mode: shared,rslave'],
    [{ Binds: ['x:/b'] }, 'create x: volume name is too short, names should be at least two alphanumeric characters'],
    [{ Binds: ['/a:/b', '/c:/b/'] }, 'Duplicate mount point: /b'],
    [{ Tmpfs: { rel: '' } }, "invalid mount path: 'rel' mount path must be absolute"],
    [{ Tmpfs: { '/': '' } }, "invalid specification: destination can't be '/'"],
    [{ Tmpfs: { '/t': 'colour=red' } }, 'invalid tmpfs option ["colour" "red"]'],
    [{ Tmpfs: { '/t': 'fast' } }, 'invalid tmpfs option ["fast"]'],
    [{ VolumesFrom: [''] }, 'volumes-from specification cannot be an empty string'],
    [{ VolumesFrom: ['c:shared'] }, 'invalid mode: shared'],
    [{ VolumesFrom: ['c:nocopy'] }, 'invalid mode: nocopy'],
    [{ VolumesFrom: ['c:x'] }, 'invalid mode: x'],
  ];
  for (const [host, message] of cases) assert.throws(() => mountsOf(host), { kind: 'invalid', message });
});

test('mounts keep everything that was asked of them', () => {
  const all = mountsOf({
    VolumeDriver: 'local',
    Binds: ['vol:/v:ro,cached', '/s/:/b:ro'],
    Mounts: [
      { ...bind, BindOptions: { NonRecursive: true, Propagation: 'rslave' } },
      { ...bind, Target: '/f', ReadOnly: true, BindOptions: { ReadOnlyForceRecursive: true } },
      { ...bind, Target: '/n', ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } },
      { ...volume, Target: '/sub', VolumeOptions: { Subpath: 'a/b' } },
      { ...tmpfs, Target: '/tmp', TmpfsOptions: { SizeBytes: 9, Mode: 0o700, Options: [['exec']] } },
    ],
  }).mounts;
  assert.deepEqual(all, [
    { type: 'volume', source: 'vol', target: '/v', readOnly: true, volumeDriver: 'local' },
    { type: 'bind', source: '/s', target: '/b', readOnly: true, createMountpoint: true, readOnlyBelow: 'try' },
    {
      type: 'bind',
      source: '/s',
      target: '/t',
      readOnly: false,
      createMountpoint: false,
      nonRecursive: true,
      propagation: 'rslave',
    },
    { type: 'bind', source: '/s', target: '/f', readOnly: true, createMountpoint: false, readOnlyBelow: 'must' },
    { type: 'bind', source: '/s', target: '/n', readOnly: true, createMountpoint: false },
    {
      type: 'volume',
      source: 'vol',
      target: '/sub',
      readOnly: false,
      noCopy: false,
      volumeLabels: {},
      volumeDriverOptions: {},
      subpath: 'a/b',
    },
    { type: 'tmpfs', target: '/tmp', readOnly: false, tmpfsSize: 9, tmpfsMode: 0o700, tmpfsOptions: ['exec'] },
  ]);
  // Before 1.44 a read-only mount said nothing of what is below it.
  assert.equal('readOnlyBelow' in (mountsOf({ Binds: ['/s:/b:ro'] }, 43).mounts[0] ?? {}), false);
});
