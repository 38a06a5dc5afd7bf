import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Who may import whom; the order is from the bottom up. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  kernel: ['base'],
  model: ['base'],
  store: ['model', 'base'],
  services: ['model', 'kernel', 'store', 'base'],
  drivers: ['model', 'services', 'kernel', 'base'],
  network: ['model', 'services', 'store', 'kernel', 'base'],
  containers: ['network', 'model', 'services', 'store', 'kernel', 'base'],
  config: ['model', 'base'],
  api: ['containers', 'network', 'model', 'config', 'base'],
  daemon: ['api', 'config', 'base'],
  client: ['api', 'base'],
  cli: ['client', 'config', 'base'],
};

const MAX_LINES = 500;
const MAX_MODULES = 14;
const ENVIRONMENT_READERS = ['config', 'cli', 'main.ts'];

interface Module {
  /** Path below src. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly { readonly specifier: string; readonly typeOnly: boolean }[];
}

const modules = filesBelow(join(ROOT, 'src'))
  .filter((path) => path.endsWith('.ts'))
  .map(readModule);
const production = modules.filter(({ path }) => !path.endsWith('.test.ts') && !path.includes('/testing/'));

test('every layer imports only the layers below it', () => {
  const wrong: string[] = [];
  for (const module of production) {
    const from = layerOf(module.path);
    if (from === undefined) continue;
    const allowed = LAYERS[from];
    if (allowed === undefined) {
      wrong.push(`${module.path}: src/${from} is not a layer; add it to DESIGN and to this test, or move the file`);
      continue;
    }
    for (const { specifier, typeOnly } of module.imports) {
      if (!specifier.startsWith('.')) continue;
      const target = relative(join(ROOT, 'src'), resolve(ROOT, 'src', dirname(module.path), specifier));
      const to = layerOf(target);
      if (to === from) continue;
      if (to === undefined || !allowed.includes(to)) {
        wrong.push(`${module.path} imports ${target}: ${from} may import ${allowed.join(', ') || 'nothing of ours'}`);
      } else if (from === 'client' && to === 'api' && !typeOnly) {
        wrong.push(`${module.path} imports ${target}: the client takes only types from the API`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test('other layers are imported through their index', () => {
  const wrong: string[] = [];
  for (const module of production) {
    const from = layerOf(module.path);
    if (from === undefined) continue;
    for (const { specifier } of module.imports) {
      if (!specifier.startsWith('.')) continue;
      const target = relative(join(ROOT, 'src'), resolve(ROOT, 'src', dirname(module.path), specifier));
      if (layerOf(target) === from || /(^|\/)(index|contract|options)\.ts$/.test(target)) continue;
      wrong.push(`${module.path} imports ${target}; take it from the folder's index.ts`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('only the kernel layer meets the foreign function interface', () => {
  const wrong = production
    .filter(
      ({ path, imports }) => !path.startsWith('kernel/') && imports.some(({ specifier }) => specifier === 'koffi'),
    )
    .map(({ path }) => path);
  assert.deepEqual(wrong, []);
});

test('nobody but configuration and command line reads the environment', () => {
  const wrong = production
    .filter(({ path }) => !ENVIRONMENT_READERS.some((reader) => path.startsWith(reader)))
    .filter(({ text }) => text.includes('process.env'))
    .map(({ path }) => path);
  assert.deepEqual(wrong, []);
});

test(`no module is longer than ${MAX_LINES} lines`, () => {
  const wrong = modules
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES);
  assert.deepEqual(wrong, []);
});

test(`no folder holds more than ${MAX_MODULES} modules`, () => {
  const counts = new Map<string, number>();
  for (const { path } of production) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  const wrong = [...counts].filter(([, count]) => count > MAX_MODULES);
  assert.deepEqual(wrong, []);
});

test('every folder with an index says first what it is', () => {
  const wrong = production
    .filter(({ path }) => path.endsWith('/index.ts'))
    .filter(({ text }) => !/^(\/\/ .+\n){2,7}/.test(text))
    .map(({ path }) => path);
  assert.deepEqual(wrong, []);
});

test('every dependency has its reason in ARCHITECTURE.md', () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  const architecture = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const names = ['dependencies', 'devDependencies'].flatMap((kind) => Object.keys(manifest[kind] ?? {}));
  const wrong = names.filter((name) => !name.startsWith('@types/') && !architecture.includes(`| \`${name}\` |`));
  assert.deepEqual(wrong, []);
});

test('the lock file names no place on the network', () => {
  assert.doesNotMatch(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'), /"resolved"/);
});

function layerOf(path: string): string | undefined {
  const [first, ...rest] = path.split('/');
  return rest.length === 0 ? undefined : first;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

function readModule(path: string): Module {
  const text = readFileSync(path, 'utf8');
  const imports = [
    ...text.matchAll(
      /^\s*(?:import|export)\s+(type\s)?[^'"`;]*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/gm,
    ),
  ].map(([, typeOnly, from, dynamic]) => ({ specifier: from ?? dynamic ?? '', typeOnly: typeOnly !== undefined }));
  return { path: relative(join(ROOT, 'src'), path), text, imports };
}
