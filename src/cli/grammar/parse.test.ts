import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bool, commas, integer, list, text } from './flag.ts';
import { parseFlags } from './parse.ts';

const FLAGS = [
  bool('detach,d', ''),
  bool('interactive,i', ''),
  bool('tty,t', ''),
  list('publish,p', ''),
  list('env,e', ''),
  text('name', ''),
  text('hostname,h', ''),
  commas('subnet', ''),
  integer('last,n', ''),
];

test('short flags combine, and the last may carry its value', () => {
  const { flags, args } = parseFlags(FLAGS, ['-itdp8080:80', '-p', '53:53/udp', '-e=A=b', 'image']);
  assert.equal(flags.bool('detach') && flags.bool('interactive') && flags.bool('tty'), true);
  assert.deepEqual(flags.list('publish'), ['8080:80', '53:53/udp']);
  assert.deepEqual(flags.list('env'), ['A=b']);
  assert.deepEqual(args, ['image']);
});

test('flags end at the first argument where the command says so', () => {
  const words = ['--name', 'c1', 'image', 'sh', '-c', 'x', '--name=other', '--', 'y'];
  const { flags, args } = parseFlags(FLAGS, words, { interspersed: false });
  assert.equal(flags.text('name'), 'c1');
  assert.deepEqual(args, ['image', 'sh', '-c', 'x', '--name=other', '--', 'y']);
});

test('elsewhere flags may follow arguments, up to a double dash', () => {
  const { flags, args } = parseFlags(FLAGS, ['a', '-d', 'b', '--', '-t']);
  assert.equal(flags.bool('detach'), true);
  assert.equal(flags.bool('tty'), false);
  assert.deepEqual(args, ['a', 'b', '-t']);
});

test('a truth value can be said, and the last one counts', () => {
  const { flags } = parseFlags(FLAGS, ['--tty', '--tty=false', '-d=true']);
  assert.equal(flags.bool('tty', true), false);
  assert.equal(flags.bool('detach'), true);
  assert.equal(flags.bool('interactive', true), true);
});

test('comma lists are split, plain lists are not', () => {
  const { flags } = parseFlags(FLAGS, ['--subnet=a,b', '--subnet', 'c', '-e', 'x=1,2']);
  assert.deepEqual(flags.list('subnet'), ['a', 'b', 'c']);
  assert.deepEqual(flags.list('env'), ['x=1,2']);
});

test('what does not fit is refused in the words of the stock client', () => {
  const refused = (words: string[]) => {
    try {
      parseFlags(FLAGS, words);
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
    return '';
  };
  assert.equal(refused(['--foo']), 'unknown flag: --foo');
  assert.equal(refused(['-dx']), "unknown shorthand flag: 'x' in -dx");
  assert.equal(refused(['-p']), "flag needs an argument: 'p' in -p");
  assert.equal(refused(['--name']), 'flag needs an argument: --name');
  assert.match(refused(['-n', 'x']), /^invalid argument "x" for "-n, --last" flag: /);
  assert.match(refused(['--tty=maybe']), /^invalid argument "maybe" for "-t, --tty" flag: strconv.ParseBool/);
});

test('-h is the hostname where it is declared', () => {
  assert.equal(parseFlags(FLAGS, ['-h', 'box']).flags.text('hostname'), 'box');
  assert.equal(parseFlags([bool('all,a', '')], ['-h']).help, true);
});
