import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Ip, internal, messageOf } from '../../base/index.ts';
import type { Credentials } from './certificates.ts';
import type { MemberPlan } from './member-process.ts';

/** What a node remembers of the cluster that it is in. Plain JSON data. */
export interface ManagedState {
  readonly version: 1;
  readonly endpoints: readonly string[];
  readonly prefix: string;
  /** Where other nodes reach this one. */
  readonly advertise: Ip;
  /** Present: this node runs a member of the store. */
  readonly member?: MemberPlan;
}

/** The files of a managed cluster on this node, for its owner's eyes only. */
export class ManagedFiles {
  readonly folder: string;
  readonly #stateFile: string;

  constructor(folder: string) {
    this.folder = folder;
    this.#stateFile = join(folder, 'cluster.json');
  }

  path(name: 'ca.pem' | 'ca.key' | 'node.pem' | 'node.key'): string {
    return join(this.folder, name);
  }

  /** Undefined: in no cluster. */
  async read(): Promise<ManagedState | undefined> {
    let text: string;
    try {
      text = await readFile(this.#stateFile, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      return JSON.parse(text) as ManagedState;
    } catch (error) {
      throw internal('cluster_state_damaged', `cannot read "${this.#stateFile}": ${messageOf(error)}`, error);
    }
  }

  async write(state: ManagedState): Promise<void> {
    await writeFile(`${this.#stateFile}.new`, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
    await rename(`${this.#stateFile}.new`, this.#stateFile);
  }

  async writeCredentials(authority: Credentials, node: Credentials): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const save = (name: Parameters<ManagedFiles['path']>[0], text: string): Promise<void> =>
      writeFile(this.path(name), text, { mode: 0o600 });
    await save('ca.pem', authority.cert);
    await save('ca.key', authority.key);
    await save('node.pem', node.cert);
    await save('node.key', node.key);
  }

  async authority(): Promise<Credentials> {
    return { cert: await readFile(this.path('ca.pem'), 'utf8'), key: await readFile(this.path('ca.key'), 'utf8') };
  }

  exist(): boolean {
    return existsSync(this.folder);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
