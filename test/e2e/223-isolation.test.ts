import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertUnchanged, commandLines, type Engine, type Snapshot, snapshot, startEngine } from '../support/index.ts';

const V2 = existsSync('/sys/fs/cgroup/cgroup.controllers');

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

/** What a container prints, whatever its status. */
async function seen(...args: string[]): Promise<string> {
  const result = await engine.docker.run(['run', '--rm', ...args]);
  return `${result.stdout}${result.stderr}`.trim();
}

describe('devices', () => {
  test('are there under the names and with the permissions that were asked for, and no others', async () => {
    // A device that anybody may open, but that is not among those that every container has.
    const device = ['/dev/fuse', '/dev/loop-control'].find((path) => existsSync(path));
    assert.ok(device !== undefined, 'the machine has no device to try');
    const [major, minor] = (await engine.host.ok(['stat', '-c', '%Hr %Lr', device])).trim().split(' ');
    for (const client of commandLines(engine)) {
      const args: string[] = [
        'run',
        '--rm',
        '--device',
        `${device}:/dev/zed`,
        'busybox',
        'stat',
        '-c',
        '%F',
        '/dev/zed',
      ];
      assert.equal(await client(...args), 'character special file', client.name);
    }
    const open = 'exec 3</dev/zed && echo opened; exec 4>/dev/zed';
    assert.match(
      await seen('--device', `${device}:/dev/zed:r`, 'busybox', 'sh', '-c', open),
      /^opened\n.*not permitted/,
    );
    const make = ['busybox', 'sh', '-c', `mknod /dev/zed c ${major} ${minor}; ${open}`];
    const rule = ['--device-cgroup-rule', `c ${major}:${minor} r`];
    assert.match(await seen('--cap-add', 'MKNOD', ...make), /^sh: can't open \/dev\/zed: Operation not permitted/);
    assert.match(await seen(...rule, '--cap-add', 'MKNOD', ...make), /^opened\n.*not permitted/);
    assert.equal(
      await seen('--privileged', 'busybox', 'sh', '-c', 'test -c /dev/full && test -c /dev/loop-control && echo all'),
      'all',
    );
    await assertUnchanged(engine.host, clean);
  });

  test('that are not there, or of kinds that nobody here drives, are refused', async () => {
    const cases: readonly [string[], RegExp][] = [
      [
        ['--device', '/dev/nowhere'],
        /error gathering device information while adding custom device "\/dev\/nowhere": no such file or directory/,
      ],
      [
        ['--device', '/etc/passwd:/dev/x'],
        /error gathering device information while adding custom device "\/etc\/passwd": not a device node/,
      ],
      [
        ['--device-cgroup-rule', 'x 1:1 r'],
        /invalid device cgroup (rule )?format|invalid argument "x 1:1 r" for "--device-cgroup-rule"|invalid device cgroup rule/,
      ],
      [['--gpus', 'all'], /could not select device driver "" with capabilities: \[\[gpu\]\]|--gpus is not supported/],
    ];
    for (const client of commandLines(engine)) {
      for (const [flags, says] of cases) {
        const result = await client.run(['run', '--rm', ...flags, 'busybox', 'true']);
        assert.notEqual(result.code, 0, client.name);
        assert.match(result.stderr, says, `${client.name} ${flags.join(' ')}`);
      }
    }
    assert.equal(await engine.docker('ps', '-aq'), '');
    await assertUnchanged(engine.host, clean);
  });
});

describe('namespaces', () => {
  test('are the host’s where that was asked for', async () => {
    const own = (name: string): string => readlinkSync(`/proc/${engine.daemon.pid}/ns/${name}`);
    const link = async (name: string, ...flags: string[]): Promise<string> =>
      await seen(...flags, 'busybox', 'readlink', `/proc/self/ns/${name}`);
    for (const [flag, name] of [
      ['--pid', 'pid'],
      ['--ipc', 'ipc'],
      ['--uts', 'uts'],
    ] as const) {
      assert.equal(await link(name, flag, 'host'), own(name), flag);
      assert.notEqual(await link(name), own(name), flag);
    }
    assert.equal(await link('user', '--userns', 'host'), own('user'));
    assert.equal(await link('cgroup', '--cgroupns', 'host'), own('cgroup'));
    assert.notEqual(await link('cgroup', '--cgroupns', 'private'), own('cgroup'));
    assert.equal((await link('cgroup')) === own('cgroup'), !V2);
    const id = await engine.docker('create', 'busybox');
    assert.equal(await engine.docker('inspect', '-f', '{{.HostConfig.CgroupnsMode}}', id), V2 ? 'private' : 'host');
    await engine.docker('rm', id);
    await assertUnchanged(engine.host, clean);
  });

  test('of kinds that do not exist are refused by name', async () => {
    const cases: readonly [object, string][] = [
      [{ PidMode: 'x' }, 'invalid PID mode: x'],
      [{ IpcMode: 'x' }, 'invalid IPC mode: x'],
      [{ UTSMode: 'x' }, 'invalid UTS mode: x'],
      [{ UsernsMode: 'x' }, 'invalid user namespace mode: x'],
      [{ CgroupnsMode: 'x' }, 'invalid cgroup namespace mode: x'],
      [{ Isolation: 'hyperv' }, "invalid isolation 'hyperv' on linux"],
    ];
    for (const [HostConfig, message] of cases) {
      await assert.rejects(engine.dockerode.createContainer({ Image: 'busybox', HostConfig }), {
        statusCode: 400,
        json: { message },
      });
    }
    const joined = await engine.docker.run(['run', '--rm', '--pid', 'container:nobody', 'busybox', 'true']);
    assert.match(joined.stderr, /No such container: nobody/);
    await assertUnchanged(engine.host, clean);
  });

  test('have the names that were given', async () => {
    for (const client of commandLines(engine)) {
      assert.equal(
        await client(
          ...['run', '--rm', '-h', 'box', '--domainname', 'corp.test', 'busybox', 'sh', '-c'],
          'hostname; hostname -f; cat /proc/sys/kernel/domainname',
        ),
        'box\nbox.corp.test\ncorp.test',
        client.name,
      );
    }
    const long = 'x'.repeat(65);
    const refused = await engine.docker.run(['create', '-h', long, 'busybox']);
    assert.match(refused.stderr, new RegExp(`hostname "${long}" is too long \\(maximum 64 bytes\\)`));
  });
});

describe('sysctls', () => {
  test('belong to namespaces of the container’s own, or are refused', async () => {
    const { docker } = engine;
    assert.equal(
      await docker('run', '--rm', '--sysctl', 'kernel.msgmax=9000', 'busybox', 'cat', '/proc/sys/kernel/msgmax'),
      '9000',
    );
    const forward = '/proc/sys/net/ipv4/conf/all/rp_filter';
    const before = readFileSync(forward, 'utf8');
    const cases: readonly [string[], RegExp][] = [
      [
        ['--network', 'host', '--sysctl', 'net.ipv4.conf.all.rp_filter=2'],
        /sysctl "net\.ipv4\.conf\.all\.rp_filter" not allowed in host network namespace/,
      ],
      [
        ['--ipc', 'host', '--sysctl', 'kernel.msgmax=9000'],
        /sysctl "kernel\.msgmax" is not allowed in the hosts ipc namespace/,
      ],
      [
        ['--sysctl', 'vm.swappiness=1'],
        /sysctl "vm\.swappiness" is not in a separate kernel namespace|'vm\.swappiness=1' is not (allowed|whitelisted)/,
      ],
    ];
    for (const client of commandLines(engine)) {
      for (const [flags, says] of cases) {
        const result = await client.run(['run', '--rm', ...flags, 'busybox', 'true']);
        assert.equal(result.code, 125, client.name);
        assert.match(result.stderr, says, client.name);
      }
    }
    assert.equal(readFileSync(forward, 'utf8'), before);
    await docker('run', '-d', '--name', 'first', 'busybox', 'sleep', '600');
    assert.equal(
      await docker(
        ...['run', '--rm', '--network', 'container:first', '--sysctl', 'net.ipv4.ip_default_ttl=44', 'busybox'],
        ...['cat', '/proc/sys/net/ipv4/ip_default_ttl'],
      ),
      '44',
    );
    await docker('rm', '-f', 'first');
    await assertUnchanged(engine.host, clean);
  });
});

describe('paths of the kernel', () => {
  const look = [
    'busybox',
    'sh',
    '-c',
    'ls /sys/firmware | wc -l; wc -c </proc/interrupts; awk \'$2=="/proc/sys"{print $4}\' /proc/mounts',
  ];

  test('are hidden and read-only, unless that is lifted', async () => {
    assert.match(await seen(...look), /^0\n0\nro,/);
    assert.doesNotMatch(await seen('--security-opt', 'systempaths=unconfined', ...look), /ro,/);
    assert.doesNotMatch(await seen('--privileged', ...look), /ro,/);
    const write = ['busybox', 'sh', '-c', 'mkdir /sys/fs/cgroup/memory/x /sys/fs/cgroup/x'];
    assert.match(await seen(...write), /Read-only file system/);
    await assertUnchanged(engine.host, clean);
  });

  test('can be named one by one over the API', async () => {
    const container = await engine.dockerode.createContainer({
      Image: 'busybox',
      Tty: true,
      Cmd: ['sh', '-c', 'cat /etc/group | wc -c; touch /var/x 2>&1'],
      HostConfig: { MaskedPaths: ['/etc/group'], ReadonlyPaths: ['/var'] },
    });
    await container.start();
    assert.equal(((await container.wait()) as { StatusCode: number }).StatusCode, 1);
    const logs = (await container.logs({ stdout: true, stderr: true })).toString();
    assert.match(logs, /^0\r\n.*Read-only file system/);
    await container.remove();
    await assertUnchanged(engine.host, clean);
  });
});

describe('security options', () => {
  test('that nobody knows are refused', async () => {
    const cases: readonly [string, string][] = [
      ['fly', 'invalid --security-opt 1: "fly"'],
      ['fly=high', 'invalid --security-opt 2: "fly=high"'],
      ['no-new-privileges=perhaps', 'invalid --security-opt 2: "no-new-privileges=perhaps"'],
    ];
    for (const [option, message] of cases) {
      await assert.rejects(
        engine.dockerode.createContainer({ Image: 'busybox', HostConfig: { SecurityOpt: [option] } }),
        { statusCode: 400, json: { message } },
      );
    }
    for (const client of commandLines(engine)) {
      const result = await client.run(['create', '--cap-add', 'FLY', 'busybox']);
      assert.match(result.stderr, /invalid CapAdd: unknown capability: "CAP_FLY"/, client.name);
    }
  });

  test('apply: a profile of system calls of one’s own, and of AppArmor where the kernel has it', async () => {
    const profile = join(engine.host.directory, 'profile.json');
    const rules = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 };
    const spared = { ...rules, excludes: { caps: ['CAP_SYS_TIME'] } };
    writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [spared] }));
    for (const client of commandLines(engine)) {
      const args = ['run', '--rm', '--security-opt', `seccomp=${profile}`];
      const refused = await client.run([...args, 'busybox', 'mkdir', '/x']);
      assert.match(refused.stderr, /Operation not permitted/, client.name);
      assert.equal(await client(...args, '--cap-add', 'SYS_TIME', 'busybox', 'mkdir', '/x'), '', client.name);
    }
    // Without AppArmor in the kernel a profile is kept and has no effect; with it one that is not loaded is an error.
    const confined = await engine.docker.run([
      'run',
      '--name',
      'confined',
      '--security-opt',
      'apparmor=nobodys',
      'busybox',
      'true',
    ]);
    assert.equal(confined.code === 0, !existsSync('/sys/kernel/security/apparmor/profiles'), confined.stderr);
    assert.equal(await engine.docker('inspect', '-f', '{{.AppArmorProfile}}', 'confined'), 'nobodys');
    await engine.docker('rm', 'confined');
    await assertUnchanged(engine.host, clean);
  });
});

describe('processes', () => {
  test('have the groups, limits and environment that were given, also those of exec', async () => {
    const { docker } = engine;
    const env = join(engine.host.directory, 'env');
    writeFileSync(env, '# a comment\nFROM_FILE=one two\nHOME\n');
    for (const client of commandLines(engine)) {
      // Not open files: runc's own runtime raises their soft limit now and then, just after it was set for an exec.
      const flags = ['--group-add', '44', '--group-add', 'nogroup', '--ulimit', 'nproc=900:1000', '--env-file', env];
      const show = 'id -G; ulimit -u; ulimit -Hu; echo $FROM_FILE; echo $HOME';
      const id = await client('run', '-d', ...flags, '-e', 'HOME=/h', '-u', '33:34', 'busybox', 'sleep', '600');
      const expected = /^34 44 65534\n900\n1000\none two\n\/h$/;
      assert.match(await client('exec', id, 'sh', '-c', show), expected, client.name);
      assert.match(
        await client('run', '--rm', ...flags, '-e', 'HOME=/h', '-u', '33:34', 'busybox', 'sh', '-c', show),
        expected,
      );
      assert.equal(
        await client('exec', '-u', '0', '-w', '/etc', '-e', 'X=y', id, 'sh', '-c', 'id -u; pwd; echo $X'),
        '0\n/etc\ny',
      );
      await client('rm', '-f', id);
    }
    for (const [flags, says] of [
      [['-u', 'bob'], /unable to find user bob: no matching entries in passwd file/],
      [['--group-add', 'bobs'], /[Uu]nable to find group bobs/],
    ] as const) {
      assert.match(await seen(...flags, 'busybox', 'true'), says);
    }
    await assert.rejects(
      engine.dockerode.createContainer({
        Image: 'busybox',
        HostConfig: { Ulimits: [{ Name: 'nofile', Soft: 2, Hard: 1 }] },
      }),
      { statusCode: 400, json: { message: 'ulimit soft limit must be less than or equal to hard limit: 2 > 1' } },
    );
    await docker('run', '-d', '--name', 'db', '--expose', '5432', '-e', 'SECRET=x', 'busybox', 'sleep', '600');
    await docker('run', '-d', '--name', 'web', '--link', 'db:data', 'busybox', 'sleep', '600');
    const linked = await docker('exec', 'web', 'sh', '-c', 'echo $DATA_PORT $DATA_NAME $DATA_ENV_SECRET');
    assert.match(linked, /^tcp:\/\/172\.17\.0\.\d+:5432 \/web\/data x$/);
    await docker('rm', '-f', 'web', 'db');
    await assertUnchanged(engine.host, clean);
  });
});
