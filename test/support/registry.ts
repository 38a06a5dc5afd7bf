import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestHost } from './host.ts';

/** `secret`, as bcrypt has it: the only hash that the registry knows. */
const ACCOUNT = 'ada:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';

/** Files in PEM. */
export interface RegistryTls {
  readonly certificate: string;
  readonly key: string;
  /** Clients must show a certificate of this authority. */
  readonly clientAuthority?: string;
}

function tlsSection({ certificate, key, clientAuthority }: RegistryTls): string {
  const clients = clientAuthority === undefined ? '' : `, clientcas: [${clientAuthority}]`;
  return `{certificate: ${certificate}, key: ${key}${clients}}`;
}

/** Debian's registry inside a host, on every address: `127.0.0.1:5000` from within. It ends with the host. */
export async function startRegistry(
  host: TestHost,
  options: { readonly port?: number; readonly password?: boolean; readonly tls?: RegistryTls } = {},
): Promise<void> {
  const { port = 5000, password = false, tls } = options;
  const folder = join(host.directory, `registry-${port}`);
  const accounts = `${folder}.htpasswd`;
  writeFileSync(accounts, ACCOUNT);
  const config = [
    'version: 0.1',
    `storage: {filesystem: {rootdirectory: ${folder}}}`,
    `http: {addr: ':${port}'${tls ? `, tls: ${tlsSection(tls)}` : ''}}`,
    ...(password ? [`auth: {htpasswd: {realm: test, path: ${accounts}}}`] : []),
  ];
  writeFileSync(`${folder}.yml`, `${config.join('\n')}\n`);
  await startInside(host, ['docker-registry', 'serve', `${folder}.yml`], /listening on/);
}

/** A registry of bad manners in front of port 5000, on port 5001; see `rude-registry.ts`. Gives the requests it has seen. */
export async function startRudeRegistry(host: TestHost): Promise<() => string[]> {
  const script = fileURLToPath(new URL('rude-registry.ts', import.meta.url));
  const said = await startInside(host, [process.execPath, script], /ready/);
  return () => said().split('\n').slice(1, -1);
}

/** A proxy on 127.0.0.1:3128; see `proxy.ts`. Gives the requests it has seen. */
export async function startProxy(host: TestHost): Promise<() => string[]> {
  const script = fileURLToPath(new URL('proxy.ts', import.meta.url));
  const said = await startInside(host, [process.execPath, script], /ready/);
  return () => said().split('\n').slice(1, -1);
}

/** The blobs that containerd keeps. */
export function blobsOf(host: TestHost): string[] {
  return readdirSync(join(host.directory, 'lib'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\/io\.containerd\.content\.v1\.content\/blobs\/sha256\//.test(path),
  );
}

/** How many bytes there are of each blob that containerd has begun to receive and not finished. */
export function unfinishedDownloads(host: TestHost): number[] {
  return readdirSync(join(host.directory, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\/ingest\/[^/]+\/data$/.test(path))
    .map((path) => statSync(join(host.directory, 'lib', path)).size);
}

async function startInside(host: TestHost, command: readonly string[], ready: RegExp): Promise<() => string> {
  const [program = '', ...args] = host.inside(command);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const listening = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (ready.test(said)) resolve();
      });
    }
  });
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${command.join(' ')} ended: ${said.slice(-2000)}`);
  });
  await Promise.race([listening, ended]);
  ended.catch(() => {});
  return () => said;
}
