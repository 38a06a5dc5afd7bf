import assert from 'node:assert/strict';
import { test } from 'node:test';
import { binarySize, compileTemplate, ellipsis, humanDuration, humanSize, listing } from './index.ts';

const INSPECTED = {
  Name: '/c1',
  State: { Status: 'running', Running: true },
  Config: { Labels: { tier: 'web' }, Cmd: ['httpd', '-f'] },
  IPAM: { Config: [{ Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' }] },
  NetworkSettings: { Networks: { b: { IPAddress: '10.0.0.2' }, a: { IPAddress: '10.0.0.1' } } },
};

const TEMPLATES: readonly [string, string][] = [
  ['{{.State.Status}}', 'running'],
  ['{{range .IPAM.Config}}{{.Subnet}}{{end}}', '172.18.0.0/16'],
  ['{{(index .IPAM.Config 0).Gateway}}', '172.18.0.1'],
  ['{{range $k, $v := .NetworkSettings.Networks}}{{$k}}={{$v.IPAddress}} {{end}}', 'a=10.0.0.1 b=10.0.0.2 '],
  ['{{json .Config.Cmd}}', '["httpd","-f"]'],
  ['{{join .Config.Cmd " "}}', 'httpd -f'],
  ['{{index .Config.Labels "tier" | upper}}', 'WEB'],
  ['{{if eq .State.Status "running"}}up{{else}}down{{end}}', 'up'],
  ['{{if not .State.Running}}a{{else if .Name}}b{{else}}c{{end}}', 'b'],
  ['{{with .Config.Labels}}{{.tier}}{{end}}', 'web'],
  ['{{.Config.Labels.none}}', '<no value>'],
  ['{{.Config.Labels}} {{.Config.Cmd}}', 'map[tier:web] [httpd -f]'],
  ['{{printf "%-8s|%5d|%q" .State.Status 42 "x"}}', 'running |   42|"x"'],
  ['{{println .Name}}', '/c1\n'],
  ['a {{- /* nothing */ -}} b', 'ab'],
  ['{{$x := len .Config.Cmd}}{{$x}}', '2'],
  ['{{.State.Running}} {{lower "ABC"}} {{title "abc"}}', 'true abc Abc'],
  ['{{"quoted }} braces"}}', 'quoted }} braces'],
];

for (const [source, wanted] of TEMPLATES) {
  test(`the template ${source} is applied as Go does`, () => {
    assert.equal(compileTemplate(source).apply(INSPECTED), wanted);
  });
}

test('a template that cannot be parsed or applied says why', () => {
  assert.throws(() => compileTemplate('{{.A'), /template parsing error: .*unclosed action/);
  assert.throws(() => compileTemplate('{{if .A}}x'), /unexpected EOF/);
  assert.throws(() => compileTemplate('{{nosuch .A}}'), /function "nosuch" not defined/);
  assert.throws(() => compileTemplate('{{.Nope}}').apply(INSPECTED), /map has no entry for key "Nope"/);
});

test('a table has columns at least ten wide and three blanks between them', () => {
  const rows = [{ ID: () => '0123456789ab', Name: () => 'bridge', Driver: () => 'bridge' }];
  const heads = { ID: 'NETWORK ID', Name: 'NAME', Driver: 'DRIVER' };
  const text = listing(rows, { format: '', table: '{{.ID}}\t{{.Name}}\t{{.Driver}}', heads });
  assert.equal(text, 'NETWORK ID     NAME      DRIVER\n0123456789ab   bridge    bridge\n');
  assert.equal(listing(rows, { format: 'table {{.Name}}', table: '', heads }), 'NAME\nbridge\n');
  assert.equal(listing(rows, { format: '{{.Name}}\\t{{.ID}}', table: '', heads }), 'bridge\t0123456789ab\n');
  assert.equal(listing(rows, { format: '', table: '', heads, quiet: 'ID' }), '0123456789ab\n');
  assert.equal(
    listing(rows, { format: 'json', table: '', heads }),
    '{"Driver":"bridge","ID":"0123456789ab","Name":"bridge"}\n',
  );
});

test('sizes and ages read as the stock client prints them', () => {
  assert.deepEqual(
    [0, 999, 1500, 4_858_000, 1_000_000_000].map((n) => humanSize(n)),
    ['0B', '999B', '1.5kB', '4.86MB', '1GB'],
  );
  assert.equal(binarySize(8_233_123_840), '7.668GiB');
  const seconds = [0, 1, 59, 60, 119, 120, 3540, 3600, 5399, 5400, 172_000, 200_000, 1_300_000];
  assert.deepEqual(
    seconds.map((s) => humanDuration(s * 1000)),
    [
      'Less than a second',
      '1 second',
      '59 seconds',
      'About a minute',
      'About a minute',
      '2 minutes',
      '59 minutes',
      'About an hour',
      'About an hour',
      '2 hours',
      '2 days',
      '2 days',
      '2 weeks',
    ],
  );
  assert.equal(ellipsis('httpd -f -p 3306 -h /www', 20), 'httpd -f -p 3306 -h…');
});
