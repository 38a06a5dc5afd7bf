import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Engine, ok, run, startEngine } from '../support/index.ts';

const FAIRWAY = fileURLToPath(new URL('../../bin/fairway', import.meta.url));
let engine: Engine;

before(async () => {
  engine = await startEngine();
  await engine.docker('run', '-d', '--name', 'completed-name', 'busybox', 'sleep', '600');
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

describe('the fairway command', () => {
  test('says what it did not understand, and what was perhaps meant', async () => {
    const unknown = await run([FAIRWAY, 'netwrok', 'ls']);
    assert.notEqual(unknown.code, 0);
    assert.match(unknown.stderr, /unknown command: fairway netwrok/);
    assert.match(unknown.stderr, /network/);
    const flag = await run([FAIRWAY, 'run', '--detatch', 'busybox']);
    assert.equal(flag.code, 125);
    assert.match(flag.stderr, /unknown flag: --detatch/);
    assert.match(flag.stderr, /fairway run --help/);
    const missing = await run([FAIRWAY, 'rm']);
    assert.match(missing.stderr, /requires at least 1 argument/);
  });

  test('says how to reach a daemon that is not there', async () => {
    const result = await run([FAIRWAY, 'ps'], { env: { DOCKER_HOST: 'unix:///nowhere/fairway.sock' } });
    assert.equal(result.code, 1);
    assert.match(result.stderr, /Cannot connect to the Fairway daemon at unix:\/\/\/nowhere\/fairway\.sock/);
  });

  test('prints templates, JSON and ids', async () => {
    const { fairway, docker } = engine;
    for (const args of [
      ['ps', '--format', '{{.Names}}\t{{.Image}}\t{{.State}}'],
      ['ps', '--format', 'table {{.Names}}\t{{.Command}}'],
      [
        'inspect',
        '-f',
        '{{json .Config.Cmd}} {{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}',
        'completed-name',
      ],
      ['network', 'ls', '-q', '--no-trunc'],
      ['images', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}'],
      ['network', 'inspect', '--format', '{{.Name}} {{(index .IPAM.Config 0).Subnet}}', 'bridge'],
    ]) {
      assert.equal(await fairway(...args), await docker(...args), args.join(' '));
    }
  });

  test('completes commands, flags and names in bash', async () => {
    const script = join(engine.host.directory, 'completion.bash');
    writeFileSync(script, await engine.fairway('completion', 'bash'));
    const complete = (line: string): Promise<string> =>
      ok(
        [
          'bash',
          '-c',
          `export PATH="${FAIRWAY.replace(/\/fairway$/, '')}:$PATH"; source "$1"
        COMP_LINE="$2"; COMP_POINT=\${#COMP_LINE}; read -ra COMP_WORDS <<<"$COMP_LINE"; [ "\${COMP_LINE: -1}" = ' ' ] && COMP_WORDS+=('')
        COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); f=$(complete -p fairway | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f; printf '%s\\n' "\${COMPREPLY[@]}"`,
          'bash',
          script,
          line,
        ],
        {
          env: { DOCKER_HOST: `unix://${engine.daemon.socket}` },
        },
      );
    assert.match(await complete('fairway netw'), /network/);
    assert.match(await complete('fairway network cre'), /create/);
    assert.match(await complete('fairway run --netw'), /--network/);
    assert.match(await complete('fairway stop comp'), /completed-name/);
  });
});
