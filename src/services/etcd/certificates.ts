import { execFile } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Ip, messageOf, unavailable } from '../../base/index.ts';

const run = promisify(execFile);

/** A certificate and the key that belongs to it, as PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** Nobody renews them, and whoever leaves takes a new authority: longer than the machines live. */
const DAYS = '7300';
/** Clocks of nodes differ; nothing is gained by a certificate that is not valid yet. */
const PROGRAM = 'openssl';

function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** An authority for one cluster. */
export function makeAuthority(): Promise<Credentials> {
  return inFolder(async (folder, file) => {
    const key = newKey();
    const keyFile = await file('ca.key', key);
    const config = await file('ca.cnf', configOf(`fairway cluster ${randomBytes(4).toString('hex')}`, AUTHORITY));
    const out = join(folder, 'ca.pem');
    await openssl(['req', '-x509', '-new', '-sha256', '-days', DAYS, '-key', keyFile, '-config', config, '-out', out]);
    return { cert: await read(out), key };
  });
}

/** One node's certificate: for the member that it runs, towards the others, and as a client. */
export function issue(
  authority: Credentials,
  { name, address }: { readonly name: string; readonly address: Ip },
): Promise<Credentials> {
  return inFolder(async (folder, file) => {
    const key = newKey();
    const keyFile = await file('node.key', key);
    const config = await file(
      'node.cnf',
      configOf(name.slice(0, 64), `${NODE}subjectAltName = IP:${address},IP:127.0.0.1,IP:::1\n`),
    );
    const request = join(folder, 'node.csr');
    const out = join(folder, 'node.pem');
    await openssl(['req', '-new', '-sha256', '-key', keyFile, '-config', config, '-out', request]);
    await openssl([
      ...['x509', '-req', '-sha256', '-days', DAYS, '-in', request, '-out', out],
      ...['-CA', await file('ca.pem', authority.cert), '-CAkey', await file('ca.key', authority.key)],
      ...['-set_serial', `0x${randomBytes(15).toString('hex').replace(/^./, '1')}`],
      ...['-extfile', config, '-extensions', 'extensions'],
    ]);
    return { cert: await read(out), key };
  });
}

/** Whether the key is that of the certificate; throws when one of them is none. */
export function belongTogether({ cert, key }: Credentials): boolean {
  return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
}

const AUTHORITY =
  'basicConstraints = critical,CA:TRUE,pathlen:0\nkeyUsage = critical,keyCertSign,cRLSign\nsubjectKeyIdentifier = hash\n';
const NODE =
  'basicConstraints = critical,CA:FALSE\nkeyUsage = critical,digitalSignature\nextendedKeyUsage = serverAuth,clientAuth\n';

function configOf(commonName: string, extensions: string): string {
  const safe = commonName.replace(/[^A-Za-z0-9._ -]/g, '-');
  return `[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = extensions\n[name]\nCN = ${safe}\n[extensions]\n${extensions}`;
}

async function inFolder<T>(
  work: (folder: string, file: (name: string, text: string) => Promise<string>) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'fairway-certificates-'));
  try {
    await chmod(folder, 0o700);
    return await work(folder, async (name, text) => {
      const path = join(folder, name);
      await writeFile(path, text, { mode: 0o600 });
      return path;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function read(path: string): Promise<string> {
  const { stdout } = await run(PROGRAM, ['x509', '-in', path]);
  return stdout;
}

async function openssl(args: readonly string[]): Promise<void> {
  try {
    await run(PROGRAM, [...args]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw unavailable(
        'openssl_missing',
        'cannot make certificates: there is no program "openssl"; install it (Debian: openssl)',
        error,
      );
    }
    throw unavailable('openssl_failed', `cannot make certificates: ${messageOf(error)}`, error);
  }
}
