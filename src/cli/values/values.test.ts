import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  environment,
  networking,
  parseBytes,
  parseCpus,
  parseDevice,
  parseDuration,
  parseExposed,
  parseExtraHost,
  parseImageName,
  parseMoment,
  parseMount,
  parsePublished,
  parseRestart,
  parseUlimit,
  parseVolumes,
} from './index.ts';

const FIRST = { aliases: [], links: [], linkLocalIps: [], ip: '', ip6: '', mac: '' };

const port = fc.integer({ min: 1, max: 65535 });

test('every published port is one binding under its own key', () => {
  const ip = fc.constantFrom('', '127.0.0.1', '0.0.0.0', '::1', 'fd00::2');
  const protocol = fc.constantFrom('', '/tcp', '/udp', '/sctp', '/UDP');
  fc.assert(
    fc.property(ip, fc.option(port), port, protocol, (address, host, container, suffix) => {
      const shownIp = address.includes(':') ? `[${address}]` : address;
      const shownHost = host === null ? '' : String(host);
      const prefix = address !== '' ? `${shownIp}:${shownHost}:` : host === null ? '' : `${shownHost}:`;
      const { bindings, exposed } = parsePublished([`${prefix}${container}${suffix}`]);
      const key = `${container}/${suffix === '' ? 'tcp' : suffix.slice(1).toLowerCase()}`;
      assert.deepEqual(bindings, { [key]: [{ HostIp: address, HostPort: shownHost }] });
      assert.deepEqual(exposed, { [key]: {} });
    }),
  );
});

test('ranges of equal length are mapped one to one', () => {
  const start = fc.integer({ min: 1, max: 60000 });
  fc.assert(
    fc.property(start, start, fc.integer({ min: 1, max: 50 }), (host, container, extra) => {
      const { bindings } = parsePublished([`${host}-${host + extra}:${container}-${container + extra}`]);
      assert.equal(Object.keys(bindings).length, extra + 1);
      for (let at = 0; at <= extra; at += 1) {
        assert.deepEqual(bindings[`${container + at}/tcp`], [{ HostIp: '', HostPort: String(host + at) }]);
      }
    }),
  );
});

test('no text of a port makes the parser fail but with a reason', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parsePublished([text]);
      } catch (error) {
        assert(error instanceof Error && error.message !== '');
      }
    }),
  );
});

test('ports that cannot be are refused in the words of the stock client', () => {
  const refusals: [string, string][] = [
    ['99999:1', 'invalid hostPort: 99999'],
    ['x', 'invalid containerPort: x'],
    ['', 'no port specified: <empty>'],
    ['80/foo', 'invalid proto: foo'],
    ['300.1.1.1:1:1', 'invalid IP address: 300.1.1.1'],
    ['1-2:1-3', 'invalid ranges specified for container and host Ports: 1-3 and 1-2'],
  ];
  for (const [spec, message] of refusals) assert.throws(() => parsePublished([spec]), { message });
  assert.deepEqual(parsePublished(['7000-7010:70']).bindings, { '70/tcp': [{ HostIp: '', HostPort: '7000-7010' }] });
  assert.deepEqual(parsePublished(['target=80,published=81,protocol=udp']).bindings, {
    '80/udp': [{ HostIp: '', HostPort: '81' }],
  });
  assert.deepEqual(parseExposed(['80', '90-91/udp']), ['80/tcp', '90/udp', '91/udp']);
});

test('mounts keep every field through their text', () => {
  const path = fc.stringMatching(/^\/[a-zA-Z0-9 "=:._-]{1,20}$/);
  const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`;
  fc.assert(
    fc.property(path, path, fc.boolean(), (source, target, readonly) => {
      const fields = ['type=bind', quoted(`source=${source}`), quoted(`dst=${target}`), ...(readonly ? ['ro'] : [])];
      assert.deepEqual(parseMount(fields.join(',')), {
        Type: 'bind',
        Source: source,
        Target: target,
        ...(readonly ? { ReadOnly: true } : {}),
      });
    }),
  );
});

test('mounts that make no sense are refused', () => {
  assert.throws(() => parseMount('type=bind'), { message: 'target is required' });
  assert.throws(() => parseMount('target=/x,foo=1'), { message: "unexpected key 'foo' in 'foo=1'" });
  assert.throws(() => parseMount('target'), { message: "invalid field 'target' must be a key=value pair" });
  assert.throws(() => parseMount('type=bind,target=/x,volume-nocopy'), /cannot mix 'volume-\*' options/);
  assert.throws(() => parseMount('type=tmpfs,target=/x,tmpfs-mode=9'), /invalid value for tmpfs-mode: 9/);
  assert.deepEqual(parseMount('type=tmpfs,target=/x,tmpfs-size=1m,tmpfs-mode=1770'), {
    Type: 'tmpfs',
    Target: '/x',
    TmpfsOptions: { SizeBytes: 1048576, Mode: 0o1770 },
  });
});

test('volumes are binds, or without a source anonymous', () => {
  assert.deepEqual(parseVolumes(['/data', 'v:/x:ro', '/a:/b']), {
    binds: ['v:/x:ro', '/a:/b'],
    anonymous: { '/data': {} },
  });
  assert.equal(parseVolumes(['./a:/b']).binds[0], `${process.cwd()}/a:/b`);
  for (const bad of ['', ':/x', 'a::b', 'a:b:c:d']) assert.throws(() => parseVolumes([bad]));
});

test('the first network is the mode, and flags go to it', () => {
  assert.deepEqual(networking([], FIRST), { mode: 'default', endpoints: { default: {} } });
  assert.deepEqual(networking(['n'], FIRST), { mode: 'n', endpoints: {} });
  assert.deepEqual(networking(['n', 'name=m,alias=x,ip=10.0.0.2'], { ...FIRST, aliases: ['a'], ip: '10.1.0.2' }), {
    mode: 'n',
    endpoints: {
      n: { Aliases: ['a'], IPAMConfig: { IPv4Address: '10.1.0.2' } },
      m: { Aliases: ['x'], IPAMConfig: { IPv4Address: '10.0.0.2' } },
    },
  });
  assert.deepEqual(networking(['n'], { ...FIRST, links: ['db:d'] }).endpoints, { n: { Links: ['db:d'] } });
  assert.throws(() => networking(['n', 'n'], FIRST), { message: 'network "n" is specified multiple times' });
  assert.throws(() => networking(['n', 'host'], FIRST), /cannot attach both user-defined and non-user-defined/);
  assert.throws(() => networking(['name=n,ip=1.2.3.4'], { ...FIRST, ip: '1.2.3.5' }), /both --ip and per-network IPv4/);
});

test('sizes, durations and processors are read in their units', () => {
  assert.deepEqual(
    ['512', '1k', '64m', '1.5g', '2GiB', '3 kb'].map(parseBytes),
    [512, 1024, 67108864, 1610612736, 2147483648, 3072],
  );
  assert.throws(() => parseBytes('2z'), { message: "invalid suffix: 'z'" });
  assert.throws(() => parseBytes('x'), { message: "invalid size: 'x'" });
  assert.deepEqual(['5s', '1m30s', '500ms', '1.5h', '0'].map(parseDuration), [5e9, 90e9, 5e8, 5.4e12, 0]);
  assert.throws(() => parseDuration('5'), { message: 'time: invalid duration "5"' });
  assert.equal(parseCpus('1.5'), 1_500_000_000);
  assert.throws(() => parseCpus('x'), { message: 'failed to parse x as a rational number' });
});

test('a moment is absolute, or counts back from now', () => {
  const now = Date.parse('2026-01-01T00:10:00Z');
  assert.equal(Number(parseMoment('10m', now)), Date.parse('2026-01-01T00:00:00Z') / 1000);
  assert.equal(parseMoment('1700000000.5', now), '1700000000.5');
  assert.equal(parseMoment('2026-01-01T00:00:00.123456789Z', now), '1767225600.123456789');
  assert.throws(() => parseMoment('yesterday', now), /failed to parse value as time or duration/);
});

test('a variable without a value comes from our environment', () => {
  const own = { HOME: '/root' };
  assert.deepEqual(environment({ files: [], flags: ['A=1', 'HOME', 'NOPE', 'B='] }, own), [
    'A=1',
    'HOME=/root',
    'NOPE',
    'B=',
  ]);
  assert.throws(() => environment({ files: ['/nonexistent/file'], flags: [] }, own), {
    message: 'open /nonexistent/file: no such file or directory',
  });
});

test('devices, limits, restart policies and hosts', () => {
  assert.deepEqual(parseDevice('/dev/a:/dev/b:r'), {
    PathOnHost: '/dev/a',
    PathInContainer: '/dev/b',
    CgroupPermissions: 'r',
  });
  assert.equal(parseDevice('/dev/a:rw').PathInContainer, '/dev/a');
  assert.deepEqual(parseUlimit('nofile=1024:2048'), { Name: 'nofile', Soft: 1024, Hard: 2048 });
  assert.throws(() => parseUlimit('nofile=10:5'), /ulimit soft limit must be less than or equal to hard limit: 10 > 5/);
  assert.throws(() => parseUlimit('foo=1'), { message: 'invalid ulimit type: foo' });
  assert.deepEqual(parseRestart('on-failure:3'), { Name: 'on-failure', MaximumRetryCount: 3 });
  assert.throws(() => parseRestart('a:b'), /maximum retry count must be an integer/);
  assert.deepEqual(['a:1.2.3.4', 'b=[::1]', 'c:host-gateway'].map(parseExtraHost), [
    'a:1.2.3.4',
    'b:::1',
    'c:host-gateway',
  ]);
  assert.throws(() => parseExtraHost('x'), { message: 'bad format for add-host: "x"' });
});

test('image names are taken apart at registry, tag and digest', () => {
  assert.deepEqual(parseImageName('busybox'), { repository: 'busybox', tag: 'latest', registry: 'docker.io' });
  assert.deepEqual(parseImageName('localhost:5000/a/b:1.2'), {
    repository: 'localhost:5000/a/b',
    tag: '1.2',
    registry: 'localhost:5000',
  });
  assert.equal(parseImageName(`a@sha256:${'0'.repeat(64)}`).tag, `sha256:${'0'.repeat(64)}`);
  assert.throws(() => parseImageName('Upper'), /repository name must be lowercase/);
  for (const bad of ['', 'a b', 'a:', '-a', 'a//../b']) assert.throws(() => parseImageName(bad), /invalid reference/);
});
