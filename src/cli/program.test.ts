import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { Client } from '../client/index.ts';
import { type Answer, type Asked, FakeDaemon, type FakeDaemonOptions } from '../client/testing/index.ts';
import { runProgram } from './index.ts';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly host?: string;
  readonly input?: string;
}

async function fairway(words: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(options.input ?? '');
  const code = await runProgram(words, {
    makeClient: (host) => new Client(host),
    stdin,
    stdout,
    stderr,
    env: { FAIRWAY_HOST: options.host ?? 'unix:///nonexistent/fairway.sock' },
    now: () => Date.parse('2026-01-01T02:00:00Z'),
  });
  stdout.end();
  stderr.end();
  return { code, stdout: (await stdout.toArray()).join(''), stderr: (await stderr.toArray()).join('') };
}

const ID = '0123456789ab'.padEnd(64, '0');

/** A daemon whose container prints, reads its input to the end, and exits. */
function withContainer(more: (asked: Asked) => Answer | undefined, exitCode = 3): FakeDaemonOptions {
  const ended = Promise.withResolvers<void>();
  return {
    answer: (asked) => {
      const special = more(asked);
      if (special !== undefined) return special;
      if (asked.path === '/containers/create') return { status: 201, body: { Id: ID, Warnings: ['no swap'] } };
      if (asked.path.endsWith('/start')) return { status: 204 };
      if (asked.path === `/exec/${ID}/json`) return { body: { Running: false, ExitCode: exitCode } };
      if (asked.path.endsWith('/exec')) return { status: 201, body: { Id: ID } };
      if (asked.path === '/containers/c1/json') return { body: { Id: ID, Config: {}, State: {} } };
      if (!asked.path.endsWith('/wait')) return undefined;
      return {
        stream: (response) => {
          response.flushHeaders();
          ended.promise.then(
            () => response.end(JSON.stringify({ StatusCode: exitCode })),
            () => response.destroy(),
          );
        },
      };
    },
    talk: async (_asked, { input, frame, socket }) => {
      frame(1, 'out ');
      frame(2, 'err');
      frame(1, await input);
      socket.end();
      ended.resolve();
    },
  };
}

test('run attaches, waits, starts, carries all three streams and exits as the container did', async () => {
  await using daemon = await FakeDaemon.start(withContainer(() => undefined));
  const { code, stdout, stderr } = await fairway(['run', '-i', '--name', 'c1', 'busybox', 'cat', '-n'], {
    host: daemon.host,
    input: 'typed',
  });
  assert.deepEqual([code, stdout, stderr], [3, 'out typed', 'WARNING: no swap\nerr']);
  assert.deepEqual(daemon.calls, [
    'POST /containers/create',
    `POST /containers/${ID}/attach`,
    `POST /containers/${ID}/wait`,
    `POST /containers/${ID}/start`,
  ]);
  const body = JSON.parse(daemon.asked.find(({ path }) => path === '/containers/create')?.body ?? '');
  assert.deepEqual([body.Cmd, body.OpenStdin, body.StdinOnce], [['cat', '-n'], true, true]);
});

test('run pulls an image that is missing and tries again', async () => {
  let pulled = false;
  await using daemon = await FakeDaemon.start(
    withContainer((asked) => {
      if (asked.path === '/images/create') {
        pulled = true;
        return { body: '{"status":"Pulling from library/x","id":"latest"}\n' };
      }
      const missing = asked.path === '/containers/create' && !pulled;
      return missing ? { status: 404, body: { message: 'No such image: x:latest' } } : undefined;
    }),
  );
  const { code, stdout, stderr } = await fairway(['run', '-d', 'x'], { host: daemon.host });
  assert.deepEqual([code, stdout], [0, `${ID}\n`]);
  assert.match(stderr, /^Unable to find image 'x:latest' locally\nlatest: Pulling from library\/x\n/);
  const query = daemon.asked.find(({ path }) => path === '/images/create')?.query;
  assert.deepEqual([query?.get('fromImage'), query?.get('tag')], ['x', 'latest']);
  const never = await fairway(['run', '--pull', 'sometimes', 'x'], { host: daemon.host });
  assert.match(never.stderr, /invalid pull option: 'sometimes': must be one of "always", "missing" or "never"/);
});

test('run turns what the daemon refused into 125, 126 or 127', async () => {
  const refusals: [string, number][] = [
    ['Conflict. The container name "/c1" is already in use', 125],
    ['exec: "nosuch": executable file not found in $PATH: unknown', 127],
    ['exec: "/etc": permission denied: unknown', 126],
  ];
  for (const [message, wanted] of refusals) {
    await using daemon = await FakeDaemon.start(
      withContainer((asked) => (asked.path.endsWith('/start') ? { status: 400, body: { message } } : undefined)),
    );
    const { code, stderr } = await fairway(['run', 'x'], { host: daemon.host });
    assert.equal(code, wanted);
    assert.match(stderr, /fairway: Error response from daemon: .*\n\nRun 'fairway run --help' for more information\n$/);
  }
});

test('exec looks the container up, talks, and exits as the command did', async () => {
  await using daemon = await FakeDaemon.start(withContainer(() => undefined, 42));
  const { code, stdout, stderr } = await fairway(['exec', '-i', 'c1', 'cat', '-v'], { host: daemon.host, input: 'x' });
  assert.deepEqual([code, stdout, stderr], [42, 'out x', 'err']);
  assert.deepEqual(daemon.calls, [
    'GET /containers/c1/json',
    'POST /containers/c1/exec',
    `POST /exec/${ID}/start`,
    `GET /exec/${ID}/json`,
  ]);
  const missing = await fairway(['exec', 'nope', 'ls'], { host: daemon.host });
  assert.deepEqual(
    [missing.code, missing.stderr],
    [1, 'Error response from daemon: No such thing: /containers/nope/json\n'],
  );
});

test('lists are the tables of the stock client', async () => {
  const networks = [
    { Id: ID, Name: 'net10', Driver: 'bridge', Scope: 'local', Created: '2026-01-01T00:00:00.5Z', EnableIPv6: false },
    { Id: ID, Name: 'net9', Driver: 'macvlan', Scope: 'local', Created: '2026-01-01T00:00:00Z', EnableIPv6: false },
  ];
  const container = {
    Id: ID,
    Names: ['/web'],
    Image: 'busybox',
    ImageID: 'sha256:f',
    Command: 'httpd -f -p 3306 -h /www',
    Created: Date.parse('2026-01-01T00:00:00Z') / 1000,
    State: 'running',
    Status: 'Up 2 hours',
    Ports: [
      { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { PrivatePort: 53, Type: 'udp' },
      { PrivatePort: 54, Type: 'udp' },
    ],
    Labels: { tier: 'web' },
  };
  await using daemon = await FakeDaemon.start({
    answer: ({ path }) => ({ body: path === '/networks' ? networks : [container] }),
  });
  const said = async (...words: string[]) => (await fairway(words, { host: daemon.host })).stdout;
  assert.equal(
    await said('network', 'ls'),
    'NETWORK ID     NAME      DRIVER    SCOPE\n0123456789ab   net9      macvlan   local\n0123456789ab   net10     bridge    local\n',
  );
  assert.equal(
    await said('ps'),
    'CONTAINER ID   IMAGE     COMMAND                  CREATED       STATUS       PORTS                                                NAMES\n' +
      '0123456789ab   busybox   "httpd -f -p 3306 -h…"   2 hours ago   Up 2 hours   53-54/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp   web\n',
  );
  assert.equal(await said('ps', '-q', '--no-trunc'), `${ID}\n`);
  assert.equal(await said('container', 'list', '--format', '{{.Names}} {{.Label "tier"}}'), 'web web\n');
  await said('ps', '-a', '--filter', 'label=a=b', '-n', '3');
  assert.equal(daemon.asked.at(-1)?.query.toString(), 'all=1&limit=3&filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D');
});

test('a failure for one name does not keep the others from their turn', async () => {
  await using daemon = await FakeDaemon.start({
    answer: ({ path }) => (path === '/containers/b' ? { status: 204 } : undefined),
  });
  const { code, stdout, stderr } = await fairway(['rm', '-f', '-v', 'a', 'b'], { host: daemon.host });
  assert.deepEqual([stdout, stderr], ['b\n', 'Error response from daemon: No such thing: /containers/a\n']);
  assert.equal(code, 0);
  assert.equal((await fairway(['stop', 'a'], { host: daemon.host })).code, 1);
  const inspected = await fairway(['inspect', 'nope'], { host: daemon.host });
  assert.deepEqual([inspected.code, inspected.stdout], [1, '[]\n']);
  assert.match(inspected.stderr, /No such object: nope/i);
});

test('what does not fit the grammar is refused before the daemon is asked', async () => {
  const refused = async (...words: string[]) => {
    const { code, stderr } = await fairway(words);
    return { code, first: stderr.split('\n')[0] };
  };
  assert.deepEqual(await refused('netwrok', 'ls'), { code: 1, first: 'fairway: unknown command: fairway netwrok' });
  assert.match((await fairway(['netwrok'])).stderr, /Did you mean this\?\n\tnetwork\n/);
  assert.deepEqual(await refused('run'), { code: 1, first: "fairway: 'fairway run' requires at least 1 argument" });
  assert.deepEqual(await refused('network', 'create'), {
    code: 1,
    first: "fairway: 'fairway network create' requires 1 argument",
  });
  assert.deepEqual(await refused('network', 'ls', 'x'), {
    code: 1,
    first: "fairway: 'fairway network ls' accepts no arguments",
  });
  assert.deepEqual(await refused('rm', '--foo', 'x'), { code: 125, first: 'unknown flag: --foo' });
  assert.deepEqual(await refused('run', '-m', '2z', 'x'), {
    code: 125,
    first: `invalid argument "2z" for "-m, --memory" flag: invalid suffix: 'z'`,
  });
  assert.deepEqual(await refused('run', '-p', '99999:1', 'x'), {
    code: 125,
    first: 'fairway: invalid hostPort: 99999',
  });
  assert.match((await refused('run', '--gpus', 'all', 'x')).first ?? '', /--gpus is not supported/);
  assert.deepEqual(await refused('ps'), {
    code: 1,
    first: 'Cannot connect to the Fairway daemon at unix:///nonexistent/fairway.sock. Is the fairway daemon running?',
  });
});

test('every command of the tree loads and has its help', async () => {
  const { TREE } = await import('./commands/index.ts');
  for (const [name, node] of Object.entries(TREE)) {
    const paths = 'commands' in node ? Object.keys(node.commands).map((inner) => [name, inner]) : [[name]];
    for (const path of paths) {
      const { code, stdout } = await fairway([...path, '--help']);
      assert.equal(code, 0);
      assert(stdout.startsWith(`Usage:  fairway ${path.join(' ')}`), stdout);
    }
  }
  assert.match((await fairway(['ps', '--help'])).stdout, /fairway container ls, fairway container list, .*fairway ps/);
});

test('the shell is offered commands, flags and names', async () => {
  await using daemon = await FakeDaemon.start({
    answer: ({ path }) => {
      if (path === '/networks') return { body: [{ Name: 'my-net' }, { Name: 'bridge' }] };
      return {
        body: [
          { Names: ['/web'], State: 'running' },
          { Names: ['/db'], State: 'exited' },
        ],
      };
    },
  });
  const offered = async (...words: string[]) => {
    const { stdout } = await fairway(['__complete', '--', ...words], { host: daemon.host });
    return stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')[0]]));
  };
  assert.deepEqual(await offered('netw'), ['network']);
  assert.deepEqual(await offered('network', 'r'), ['rm']);
  assert.deepEqual(await offered('network', 'rm', ''), ['my-net', 'bridge']);
  assert.deepEqual(await offered('network', 'connect', 'my-net', ''), ['web', 'db']);
  assert.deepEqual(await offered('run', '--network', 'my'), ['my-net']);
  assert.deepEqual(await offered('run', '--publish-'), ['--publish-all']);
  assert.deepEqual(await offered('-H', 'x', 'start', 'd'), ['db']);
  assert.deepEqual(await offered('load', '-i', ''), [':files']);
  for (const shell of ['bash', 'zsh', 'fish']) {
    assert.match((await fairway(['completion', shell])).stdout, /fairway __complete/);
  }
});
