import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DaemonConfig } from './config.ts';
import { helpText, loadConfig } from './load.ts';

function withFile<T>(text: string, work: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'fairway-config-'));
  const path = join(folder, 'daemon.json');
  writeFileSync(path, text);
  try {
    return work(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(...args: string[]): DaemonConfig {
  const invocation = loadConfig(['--config-file', '/dev/null', ...args]);
  assert.equal(invocation.action, 'run');
  return (invocation as { config: DaemonConfig }).config;
}

test('with nothing said, the defaults of Fairway hold', () => {
  const config = run();
  assert.deepEqual(config.hosts, [{ kind: 'unix', path: '/run/fairway/fairway.sock' }]);
  assert.equal(config.dataRoot, '/var/lib/fairway');
  assert.equal(config.execRoot, '/run/fairway');
  assert.equal(config.pidfile, '/run/fairway/fairwayd.pid');
  assert.equal(config.network.mtu, 1500);
  assert.equal(config.network.icc, true);
  assert.equal(config.containers.logDriver, 'json-file');
  assert.equal(config.reloadable.logLevel, 'info');
  assert.deepEqual(config.warnings, []);
});

test('flags are read in all of the forms that dockerd takes', () => {
  const config = run(
    '-H',
    'unix:///a.sock',
    '-Htcp://127.0.0.1:1',
    '--host=tcp://[::1]:2',
    '--insecure-tcp',
    '-D',
    '--icc=false',
    '--mtu',
    '1400',
    '--default-address-pool',
    'base=10.80.0.0/16,size=24',
    '--log-opt=max-size=10m',
    '--log-opt',
    'max-file=2',
    '--dns',
    '10.0.0.1',
    '--dns=10.0.0.2',
    '--default-ulimit',
    'nofile=10:20',
    '--bip',
    '10.70.0.1/24',
    '--exec-opt',
    'native.cgroupdriver=cgroupfs',
  );
  assert.deepEqual(config.hosts, [
    { kind: 'unix', path: '/a.sock' },
    { kind: 'tcp', host: '127.0.0.1', port: 1 },
    { kind: 'tcp', host: '::1', port: 2 },
  ]);
  assert.equal(config.reloadable.logLevel, 'debug');
  assert.equal(config.network.icc, false);
  assert.equal(config.network.mtu, 1400);
  assert.deepEqual(config.network.addressPools, [{ base: { ip: '10.80.0.0', prefix: 16 }, size: 24 }]);
  assert.deepEqual(config.containers.logOptions, { 'max-size': '10m', 'max-file': '2' });
  assert.deepEqual(config.network.dns, ['10.0.0.1', '10.0.0.2']);
  assert.deepEqual(config.containers.defaultUlimits, [{ name: 'nofile', soft: 10, hard: 20 }]);
  assert.deepEqual(config.network.bip, { ip: '10.70.0.1', prefix: 24 });
});

test("daemon.json takes dockerd's keys", () => {
  const text = JSON.stringify({
    hosts: ['tcp://0.0.0.0'],
    'insecure-tcp': true,
    debug: true,
    labels: ['a=b'],
    'default-address-pools': [{ base: '10.0.0.0/8', size: 24 }],
    'log-driver': 'local',
    'insecure-registries': ['127.0.0.1:5000'],
    'default-ulimits': { nofile: { Name: 'nofile', Soft: 1, Hard: 2 } },
    'storage-opts': ['a=b'],
  });
  withFile(text, (path) => {
    const invocation = loadConfig(['--config-file', path]);
    assert.equal(invocation.action, 'run');
    if (invocation.action !== 'run') return;
    const { config } = invocation;
    assert.deepEqual(config.hosts, [{ kind: 'tcp', host: '0.0.0.0', port: 2375 }]);
    assert.equal(config.containers.logDriver, 'local');
    assert.deepEqual(config.reloadable.labels, ['a=b']);
    assert.deepEqual(config.reloadable.insecureRegistries, ['127.0.0.1:5000']);
    assert.deepEqual(config.containers.defaultUlimits, [{ name: 'nofile', soft: 1, hard: 2 }]);
    assert.match(config.warnings.join(), /storage-opt/);
  });
});

test("options of dockerd's that mean nothing here are accepted with a warning, or in silence", () => {
  const config = run('--oom-score-adjust', '-500', '--userland-proxy=false', '--selinux-enabled');
  assert.equal(config.warnings.length, 2);
  assert.match(config.warnings[0] ?? '', /selinux-enabled/);
  assert.match(config.warnings[1] ?? '', /oom-score-adjust/);
});

const REFUSED: readonly [args: readonly string[], says: RegExp][] = [
  [['--nonsense'], /unknown flag: --nonsense/],
  [['-x'], /unknown shorthand flag: 'x' in -x/],
  [['serve'], /unexpected argument: "serve"/],
  [['--mtu'], /flag needs an argument: --mtu/],
  [['--mtu', 'big'], /invalid argument "big" for "--mtu"/],
  [['--mtu', '70000'], /invalid value 70000 for "mtu": it must be a number from 0 to 65535/],
  [['--icc=perhaps'], /invalid argument "perhaps" for "--icc"/],
  [['--bip', 'not an address'], /invalid value "not an address" for "bip"/],
  [['--fixed-cidr', 'fd00::/64'], /"fixed-cidr".*IPv4/],
  [['--bip', '10.0.0.1/24', '--fixed-cidr', '10.1.0.0/25'], /"fixed-cidr".*inside "bip" 10\.0\.0\.1\/24/],
  [['--bridge', 'br9', '--bip', '10.0.0.1/24'], /"bip".*mutually exclusive/],
  [['--dns', 'nowhere'], /invalid value "nowhere" for "dns": it must be an IP address/],
  [['--host', 'http://x'], /invalid value "http:\/\/x" for "hosts"/],
  [['--data-root', 'here'], /"data-root": it must be an absolute path/],
  [['--log-level', 'loud'], /"loud" for "log-level": it must be one of debug/],
  [['--log-driver', 'syslog'], /"syslog" for "log-driver"/],
  [['--label', 'bare'], /"bare" for "labels": it must be key=value/],
  [['--default-address-pool', 'base=10.0.0.0/16,size=8'], /"default-address-pools.size".*from 16 to 32/],
  [['--exec-opt', 'native.cgroupdriver=x'], /"exec-opts"/],
  [['--tls'], /"tlscert"/],
  [['--cluster-store', 'consul://a'], /"consul:\/\/a" for "cluster-store": it must be etcd:\/\/host/],
  [['--cluster-store', 'etcd://a:0/x'], /"etcd:\/\/a:0\/x" for "cluster-store"/],
  [['--cluster-store', 'etcd://a,,b'], /"cluster-store"/],
  [['--cluster-store', 'etcd://[10.0.0.1:2379'], /"cluster-store"/],
  [['--cluster-store', 'etcd://a/b c', '--cluster-advertise=eth0'], /"b c" for "cluster-store".*printable/],
  [['--cluster-store', 'etcd://a'], /"cluster-advertise": it must be an address or a link when "cluster-store" is set/],
  [['--cluster-store-opt', 'kv.path=x'], /"cluster-store-opts.kv.path": it must be left out without "cluster-store"/],
  [['--cluster-advertise', '10.0.0.999'], /"10.0.0.999" for "cluster-advertise"/],
  [['--cluster-advertise', 'eth0:70000'], /"eth0:70000" for "cluster-advertise"/],
  [['--cluster-data-path-addr', 'a/b'], /"a\/b" for "cluster-data-path-addr"/],
  [['--cluster-data-path-port', '1000'], /1000 for "cluster-data-path-port": it must be a number from 1024 to 49151/],
  ...(
    [
      ['kv.nonsense=1', /unknown option "kv.nonsense" in "cluster-store-opts": known are kv.cacertfile/],
      ['kv.cacertfile=ca.pem', /"ca.pem" for "cluster-store-opts.kv.cacertfile": it must be an absolute path/],
      ['kv.certfile=/c', /"cluster-store-opts.kv.keyfile": it must be a path beside kv.certfile/],
      ['kv.keyfile=/k', /"cluster-store-opts.kv.certfile": it must be a path beside kv.keyfile/],
      ['kv.user=me', /"cluster-store-opts.kv.password": it must be given beside kv.user/],
      ['kv.password=x', /"cluster-store-opts.kv.user": it must be a name beside kv.password/],
      ['kv.path=', /"" for "cluster-store-opts.kv.path": it must be not empty/],
      ['discovery.ttl=1', /"1" for "cluster-store-opts.discovery.ttl": it must be a number of seconds from 2/],
      ['discovery.heartbeat=soon', /"soon" for "cluster-store-opts.discovery.heartbeat"/],
    ] as const
  ).map(([option, says]): (typeof REFUSED)[number] => [
    ['--cluster-store=etcd://a', '--cluster-advertise=eth0', '--cluster-store-opt', option],
    says,
  ]),
];

for (const [args, says] of REFUSED) {
  test(`${args.join(' ')} is refused by name`, () => {
    assert.throws(() => run(...args), says);
  });
}

test('an unknown key in the file is named, as dockerd names it', () => {
  withFile('{"nonsense": true, "more": 1, "debug": true}', (path) => {
    assert.throws(() => loadConfig(['--config-file', path]), {
      message: `unable to configure the Docker daemon with file ${path}: the following directives don't match any configuration option: nonsense, more`,
    });
  });
});

test('what is said both by flag and in the file is refused', () => {
  withFile('{"debug": true, "hosts": ["unix:///b"]}', (path) => {
    assert.throws(() => loadConfig(['--config-file', path, '--debug', '-H', 'unix:///a']), {
      message: `unable to configure the Docker daemon with file ${path}: the following directives are specified both as a flag and in the configuration file: hosts: (from flag: [unix:///a], from file: [unix:///b]), debug: (from flag: true, from file: true)`,
    });
  });
});

test('a broken file is refused with its path; a missing one only when it was named', () => {
  withFile('{"debug": ', (path) => {
    assert.throws(
      () => loadConfig(['--config-file', path]),
      /unable to configure the Docker daemon with file .*daemon\.json/,
    );
  });
  assert.throws(() => loadConfig(['--config-file', '/nonexistent/daemon.json']), /ENOENT/);
});

test('help, version and validate are told apart from running', () => {
  assert.equal(loadConfig(['--help']).action, 'help');
  assert.equal(loadConfig(['-v']).action, 'version');
  assert.equal(loadConfig(['--config-file', '/dev/null', '--validate']).action, 'validate');
  assert.match(helpText(), /--data-root text/);
});

test('nobody listens on tcp without proof on both sides, unless it is said out loud', () => {
  const certificates = ['--tlscert=/c', '--tlskey=/k', '--tlscacert=/a'];
  for (const flags of [[], ['--tls', ...certificates]]) {
    assert.throws(
      () => run('-H', 'tcp://10.0.0.1:1', ...flags),
      /cannot listen on "tcp:\/\/10\.0\.0\.1:1": .*--insecure-tcp/,
    );
  }
  assert.equal(run('-H', 'tcp://10.0.0.1:1', '--tlsverify', ...certificates).hosts.length, 1);
  assert.equal(run('-H', 'tcp://10.0.0.1:1', '--insecure-tcp').hosts.length, 1);
  assert.equal(run('-H', 'unix:///x').hosts.length, 1);
});

test('published ports are open past the host’s firewall, unless it is said otherwise', () => {
  assert.equal(run().network.respectHostFirewall, false);
  assert.equal(run('--published-ports=respect-host-firewall').network.respectHostFirewall, true);
  withFile('{"published-ports": "respect-host-firewall"}', (path) => {
    const invocation = loadConfig(['--config-file', path]);
    assert.equal(invocation.action === 'run' && invocation.config.network.respectHostFirewall, true);
  });
  assert.throws(() => run('--published-ports=closed'), /published-ports/);
  assert.throws(() => run('--published-ports=respect-host-firewall', '--userland-proxy=false'), /userland-proxy/);
});
