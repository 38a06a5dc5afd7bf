import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Daemon, type Engine, eventually, startEngine, TestHost, TestLan } from '../support/index.ts';

const FAIRWAYD = fileURLToPath(new URL('../../bin/fairwayd', import.meta.url));

describe('the daemon', () => {
  let engine: Engine;
  before(async () => {
    engine = await startEngine({
      args: [
        '--bip',
        '10.70.0.1/24',
        '--default-address-pool',
        'base=10.80.0.0/16,size=24',
        '--dns',
        '10.99.0.254',
        '--mtu',
        '1400',
        '--label',
        'a=b',
      ],
    });
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
  });

  test('takes addresses, pools, resolvers and MTU from its flags', async () => {
    const { docker } = engine;
    const seen = await docker(
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'ip addr show eth0; ip route; cat /etc/resolv.conf',
    );
    assert.match(seen, /inet 10\.70\.0\.2\/24/);
    assert.match(seen, /mtu 1400/);
    assert.match(seen, /default via 10\.70\.0\.1/);
    assert.match(seen, /nameserver 10\.99\.0\.254/);
    await docker('network', 'create', 'pooled');
    assert.equal(
      await docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}}', 'pooled'),
      '10.80.0.0/24',
    );
    await docker('network', 'rm', 'pooled');
    assert.match(await docker('info', '-f', '{{.Labels}}'), /a=b/);
  });

  test('reads its configuration again at SIGHUP and says so as an event', async () => {
    const { docker, daemon } = engine;
    daemon.signal('SIGHUP');
    await eventually(async () => {
      assert.match(
        await docker('events', '--since', '10m', '--until', '0s', '--filter', 'type=daemon'),
        /daemon reload/,
      );
    });
  });

  test('writes its pid, and ends by SIGTERM and by SIGINT within seconds', async () => {
    const { daemon, host } = engine;
    assert.equal((await host.ok(['cat', '/run/fairway/fairwayd.pid'])).trim(), String(daemon.pid));
    const second = await host.run([FAIRWAYD, '--cgroup-parent', host.cgroup]);
    assert.notEqual(second.code, 0);
    assert.match(second.stderr + second.stdout, /pid|running|in use/i);
    assert.equal(await daemon.stop(), 0);
    assert.notEqual((await host.run(['test', '-e', '/run/fairway/fairwayd.pid'])).code, 0);
    await daemon.start();
    const { pid } = daemon;
    daemon.signal('SIGINT');
    await eventually(async () => assert.notEqual((await host.run(['kill', '-0', String(pid)])).code, 0));
    await daemon.start();
  });

  test('listens on tcp as well when told to', async () => {
    await using lan = await TestLan.start();
    await using host = await TestHost.start(lan);
    await using _daemon = await Daemon.start(host, [
      '-H',
      'unix:///run/fairway/fairway.sock',
      '-H',
      'tcp://127.0.0.1:2375',
      '--insecure-tcp',
    ]);
    assert.match(await host.ok(['busybox', 'wget', '-qO-', 'http://127.0.0.1:2375/version']), /"ApiVersion":"1\.51"/);
  });

  test('serves tcp to those alone who prove who they are', async () => {
    await using lan = await TestLan.start();
    await using host = await TestHost.start(lan);
    const plain = await host.run([FAIRWAYD, '-H', 'tcp://127.0.0.1:2376']);
    assert.notEqual(plain.code, 0);
    assert.match(plain.stderr + plain.stdout, /cannot listen on .*--tlsverify/);

    const folder = join(host.directory, 'certificates');
    mkdirSync(folder);
    const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const authority = (name: string): void =>
      openssl(
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`].concat([
          '-keyout',
          `${name}.key`,
          '-out',
          `${name}.pem`,
        ]),
      );
    const signed = (name: string, by: string, extension: string): void => {
      writeFileSync(join(folder, `${name}.ext`), extension);
      openssl(
        'req',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-subj',
        `/CN=${name}`,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
      );
      const request = [
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-out',
        `${name}.pem`,
        '-days',
        '2',
        '-extfile',
        `${name}.ext`,
      ];
      openssl(...request, '-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial');
    };
    authority('ours');
    authority('theirs');
    signed('daemon', 'ours', 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth');
    signed('friend', 'ours', 'extendedKeyUsage=clientAuth');
    signed('stranger', 'theirs', 'extendedKeyUsage=clientAuth');
    const at = (name: string): string => join(folder, name);
    await using _daemon = await Daemon.start(host, [
      ...['-H', 'unix:///run/fairway/fairway.sock', '-H', 'tcp://127.0.0.1:2376', '--tlsverify'],
      ...['--tlscacert', at('ours.pem'), '--tlscert', at('daemon.pem'), '--tlskey', at('daemon.key')],
    ]);
    const version = (...flags: string[]): ReturnType<TestHost['run']> =>
      host.run(['docker', '-H', 'tcp://127.0.0.1:2376', ...flags, 'version', '-f', '{{.Server.APIVersion}}']);
    const as = (name: string): string[] => ['--tlscert', at(`${name}.pem`), '--tlskey', at(`${name}.key`)];
    const ours = ['--tlsverify', '--tlscacert', at('ours.pem')];
    assert.equal((await version(...ours, ...as('friend'))).stdout.trim(), '1.51');
    for (const flags of [
      [],
      ['--tls'],
      ours,
      [...ours, ...as('stranger')],
      ['--tlsverify', '--tlscacert', at('theirs.pem'), ...as('friend')],
    ]) {
      assert.notEqual((await version(...flags)).code, 0, flags.join(' '));
    }
    assert.equal(await host.ok(['stat', '-c', '%a', '/run/fairway/fairway.sock']), '660');
  });

  test('refuses what nobody knows, naming it, and warns of what has no meaning here', async () => {
    await using lan = await TestLan.start();
    await using host = await TestHost.start(lan);
    const flag = await host.run([FAIRWAYD, '--nonsense']);
    assert.notEqual(flag.code, 0);
    assert.match(flag.stderr, /unknown flag: --nonsense/);
    const file = join(host.directory, 'daemon.json');
    writeFileSync(file, '{"nonsense": true}');
    const key = await host.run([FAIRWAYD, '--config-file', file]);
    assert.notEqual(key.code, 0);
    assert.match(key.stderr + key.stdout, /nonsense/);
    writeFileSync(file, '{"bip": "not an address"}');
    const value = await host.run([FAIRWAYD, '--config-file', file]);
    assert.notEqual(value.code, 0);
    assert.match(value.stderr + value.stdout, /not an address.*bip/);
    writeFileSync(file, '{"debug": true, "cgroup-parent": "/elsewhere"}');
    const twice = await host.run([FAIRWAYD, '--config-file', file, '--debug', '--cgroup-parent', host.cgroup]);
    assert.notEqual(twice.code, 0);
    assert.match(twice.stderr + twice.stdout, /specified both as a flag and in the configuration file/);
    await using daemon = await Daemon.start(host, [
      '--config-file',
      '/dev/null',
      '--userland-proxy=false',
      '--storage-driver',
      'overlay2',
      '--iptables=true',
      '--oom-score-adjust',
      '-500',
    ]);
    assert.match(daemon.log, /oom-score-adjust/);
  });
});
