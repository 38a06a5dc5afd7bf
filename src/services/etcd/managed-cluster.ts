import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Clock,
  conflict,
  FairwayError,
  type Id,
  type Ip,
  type Log,
  messageOf,
  notFound,
  Serial,
  unavailable,
} from '../../base/index.ts';
import { EtcdAdmin, type EtcdMemberInfo, type EtcdStoreOptions } from '../../store/index.ts';
import { issue, makeAuthority } from './certificates.ts';
import {
  assertEtcdThere,
  assertPortsFree,
  endLeftMember,
  type MemberPlan,
  MemberProcess,
  urlOf,
} from './member-process.ts';
import { ManagedFiles, type ManagedState } from './state.ts';
import { decodeToken, encodeToken } from './token.ts';

export interface ManagedClusterDeps {
  readonly clock: Clock;
  readonly log: Log;
}

export interface ManagedClusterOptions {
  /** Names this node among the members of the store. */
  readonly nodeId: Id;
  /** What is remembered, and the data of etcd. */
  readonly folder: string;
  /** Which process it is; need not outlive a reboot. */
  readonly pidFile: string;
  readonly program?: string;
}

export interface InitRequest {
  readonly advertise: Ip;
  /** Of clients; the members' own is the next one. 2379 when absent. */
  readonly port?: number;
}

export interface JoinClusterRequest extends InitRequest {
  readonly token: string;
  /** Runs a member of the store, too. */
  readonly manager: boolean;
}

export interface ManagedStatus {
  readonly endpoints: readonly string[];
  readonly advertise: Ip;
  readonly manager: boolean;
  /** Of the store; undefined when it is not reachable. */
  readonly members: readonly EtcdMemberInfo[] | undefined;
  /** Why not. */
  readonly problem?: string;
}

const PORT = 2379;
const PREFIX = 'fairway';
const ANSWER_MS = 60_000;
const POLL_MS = 100;

/**
 * A cluster whose store nobody else runs: some nodes (managers) run a member of etcd, by mutual TLS with certificates of the
 * cluster's own authority. What this node is in that is remembered below the data root, so the next daemon is in it again.
 */
export class ManagedCluster {
  readonly #deps: ManagedClusterDeps;
  readonly #options: Required<ManagedClusterOptions>;
  readonly #files: ManagedFiles;
  readonly #serial = new Serial();
  readonly #ending = new AbortController();
  #state: ManagedState | undefined;
  #member: MemberProcess | undefined;

  private constructor(deps: ManagedClusterDeps, options: ManagedClusterOptions) {
    this.#deps = deps;
    this.#options = { program: 'etcd', ...options };
    this.#files = new ManagedFiles(options.folder);
  }

  /** Goes on with what is remembered, and removes what was begun and not finished; a member that does not start is tried again, and no reason to fail. */
  static async open(deps: ManagedClusterDeps, options: ManagedClusterOptions): Promise<ManagedCluster> {
    const cluster = new ManagedCluster(deps, options);
    cluster.#state = await cluster.#files.read();
    if (cluster.#state === undefined) await cluster.#sweep();
    if (cluster.#state?.member !== undefined) {
      cluster.#member = cluster.#process(cluster.#state.member);
      await cluster.#member.keep();
    }
    return cluster;
  }

  /** How the store is reached, and where this node is; undefined: in no cluster. */
  get connection(): { readonly store: EtcdStoreOptions; readonly advertise: Ip } | undefined {
    return this.#state && { store: this.#storeOptions(this.#state), advertise: this.#state.advertise };
  }

  /** Begins a cluster of one; returns the token by which others join. */
  init(request: InitRequest): Promise<string> {
    return this.#serial.run('change', async () => {
      const { advertise, port = PORT } = request;
      this.#assertFree();
      await assertEtcdThere(this.#options.program);
      await assertPortsFree(advertise, [port, port + 1]);
      await using undo = new AsyncDisposableStack();
      undo.defer(() => this.#files.remove());
      const authority = await makeAuthority();
      await this.#files.writeCredentials(authority, await issue(authority, { name: hostname(), address: advertise }));
      const plan = this.#plan(request, { others: [], existing: false });
      await this.#begin({ version: 1, endpoints: [endpointOf(plan)], prefix: PREFIX, advertise, member: plan }, undo);
      undo.move();
      return this.#token();
    });
  }

  join(request: JoinClusterRequest): Promise<void> {
    return this.#serial.run('change', async () => {
      const { advertise, manager, port = PORT } = request;
      this.#assertFree();
      const { endpoints, prefix, authority } = decodeToken(request.token);
      if (manager) {
        await assertEtcdThere(this.#options.program);
        await assertPortsFree(advertise, [port, port + 1]);
      }
      await using undo = new AsyncDisposableStack();
      undo.defer(() => this.#files.remove());
      await this.#files.writeCredentials(authority, await issue(authority, { name: hostname(), address: advertise }));
      using admin = await EtcdAdmin.open(this.#storeOptions({ endpoints, prefix }));
      const known = clientEndpoints(await admin.members());
      const state: ManagedState = { version: 1, endpoints: known.length > 0 ? known : endpoints, prefix, advertise };
      if (manager) {
        await this.#joinStore(request, state, admin);
      } else {
        await this.#files.write(state);
        this.#state = state;
      }
      undo.move();
    });
  }

  async #joinStore(request: JoinClusterRequest, state: ManagedState, admin: EtcdAdmin): Promise<void> {
    const { advertise, port = PORT } = request;
    await using undo = new AsyncDisposableStack();
    const { id, members } = await admin.add(urlOf(advertise, port + 1));
    const remove = once(() => admin.remove(id));
    undo.defer(remove);
    const plan = this.#plan(request, { others: members.filter((one) => one.id !== id), existing: true });
    const whole = { ...state, endpoints: [endpointOf(plan), ...state.endpoints], member: plan };
    await this.#begin(whole, undo, async (member) => {
      // While it runs: without it there may be no majority.
      undo.defer(remove);
      await this.#until(member, () => admin.promote(id));
    });
    undo.move();
  }

  /**
   * `force`: also when the others cannot be told, or nobody is left to keep the store. `farewell`: the last that is done in
   * the store.
   */
  leave({ force }: { readonly force: boolean }, farewell: () => Promise<void> = async () => {}): Promise<void> {
    return this.#serial.run('change', async () => {
      const state = this.#known();
      const own = state.member && (await this.#unless(force, () => this.#replaceable(state)));
      await this.#unless(force, farewell);
      if (own) await this.#unless(force, () => this.#resign(state, own));
      await this.#member?.stop();
      this.#member = undefined;
      this.#state = undefined;
      await this.#files.remove();
    });
  }

  async token(): Promise<string> {
    this.#known();
    return this.#token();
  }

  async status(): Promise<ManagedStatus | undefined> {
    const state = this.#state;
    if (state === undefined) return undefined;
    const known = { endpoints: state.endpoints, advertise: state.advertise, manager: state.member !== undefined };
    try {
      using admin = await EtcdAdmin.open(this.#storeOptions(state));
      const members = await admin.members();
      await this.#remember(clientEndpoints(members));
      return { ...known, endpoints: this.#state?.endpoints ?? state.endpoints, members };
    } catch (error) {
      return { ...known, members: undefined, problem: messageOf(error) };
    }
  }

  /** Undoes what is begun and not finished, and leaves etcd running. Repeatable. */
  async close(): Promise<void> {
    this.#ending.abort(unavailable('daemon_ending', 'the daemon is ending'));
    await this.#serial.idle();
    this.#member?.release();
  }

  /** A daemon was killed while it began or joined a cluster. */
  async #sweep(): Promise<void> {
    if (!this.#files.exist()) return;
    this.#deps.log.warn(
      { folder: this.#options.folder },
      'removing what is left of a cluster that this node did not get into',
    );
    await endLeftMember(this.#options.pidFile);
    await this.#files.remove();
  }

  /** `enter`: what makes a member that has started one of the others'. */
  async #begin(
    state: ManagedState,
    undo: AsyncDisposableStack,
    enter: (member: MemberProcess) => Promise<void> = async () => {},
  ): Promise<void> {
    if (state.member === undefined) return;
    const member = this.#process(state.member);
    undo.defer(() => member.stop());
    await member.start();
    await enter(member);
    await this.#answers(member, this.#storeOptions({ ...state, endpoints: [endpointOf(state.member)] }));
    await this.#files.write(state);
    this.#state = state;
    this.#member = member;
  }

  /** Until the member answers for a majority. */
  async #answers(member: MemberProcess, options: EtcdStoreOptions): Promise<void> {
    using admin = await EtcdAdmin.open(options);
    await this.#until(member, () =>
      admin.assertAnswers().then(
        () => true,
        (error: unknown) => error as Error,
      ),
    );
  }

  /** Tries until it works, with what is in the way where that is known; a member that ends meanwhile ends the wait. */
  async #until(member: MemberProcess, attempt: () => Promise<boolean | Error>): Promise<void> {
    const end = performance.now() + ANSWER_MS;
    for (;;) {
      this.#ending.signal.throwIfAborted();
      const cause = await attempt();
      if (cause === true) return;
      if (!(await member.isRunning()))
        throw new FairwayError(await member.epitaph(), { code: 'etcd_died', kind: 'unavailable', cause });
      if (performance.now() > end) {
        throw cause instanceof Error
          ? cause
          : unavailable('store_behind', 'the new member of the store does not catch up');
      }
      await delay(POLL_MS);
    }
  }

  /** Our member of the store; throws conflict `last_manager` when there is no other. */
  async #replaceable(state: ManagedState): Promise<EtcdMemberInfo | undefined> {
    using admin = await EtcdAdmin.open(this.#storeOptions(state));
    const members = await admin.members();
    const own = members.find(({ name }) => name === state.member?.name);
    if (own !== undefined && members.length === 1) {
      throw conflict(
        'last_manager',
        'cannot leave the cluster: this node runs its only member of the store, and all its networks would be lost; use --force to end it',
      );
    }
    return own;
  }

  async #resign(state: ManagedState, own: EtcdMemberInfo): Promise<void> {
    using admin = await EtcdAdmin.open(this.#storeOptions(state));
    await admin.remove(own.id);
  }

  async #unless<T>(force: boolean, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!force) throw error;
      this.#deps.log.warn({ err: error }, 'leaves the cluster all the same');
      return undefined;
    }
  }

  /** Managers come and go: whoever is one now is asked first by the next daemon. */
  async #remember(endpoints: readonly string[]): Promise<void> {
    const state = this.#state;
    if (state === undefined || endpoints.length === 0) return;
    const own = state.member && endpointOf(state.member);
    const ordered = [...endpoints].sort((a, b) => Number(b === own) - Number(a === own) || (a < b ? -1 : 1));
    if (ordered.join() === state.endpoints.join()) return;
    this.#state = { ...state, endpoints: ordered };
    await this.#files.write(this.#state);
  }

  async #token(): Promise<string> {
    const { endpoints, prefix } = this.#known();
    return encodeToken({ endpoints, prefix, authority: await this.#files.authority() });
  }

  #plan(
    { advertise, port = PORT }: InitRequest,
    { others, existing }: { readonly others: readonly EtcdMemberInfo[]; readonly existing: boolean },
  ): MemberPlan {
    const name = `fairway-${this.#options.nodeId.slice(0, 12)}-${port}`;
    const peers = [
      ...others.map((one) => [one.name || `coming-${one.id}`, one.peerUrls[0] ?? ''] as const),
      [name, urlOf(advertise, port + 1)] as const,
    ];
    const initialCluster = peers.map(([who, url]) => `${who}=${url}`).join(',');
    return { name, address: advertise, clientPort: port, peerPort: port + 1, initialCluster, existing };
  }

  #process(plan: MemberPlan): MemberProcess {
    const { folder, pidFile, program } = this.#options;
    const files = this.#files;
    const paths = {
      folder,
      pidFile,
      caFile: files.path('ca.pem'),
      certFile: files.path('node.pem'),
      keyFile: files.path('node.key'),
    };
    return new MemberProcess({ ...this.#deps, program }, paths, plan);
  }

  #storeOptions({ endpoints, prefix }: Pick<ManagedState, 'endpoints' | 'prefix'>): EtcdStoreOptions {
    const files = this.#files;
    const tls = { caFile: files.path('ca.pem'), certFile: files.path('node.pem'), keyFile: files.path('node.key') };
    return { endpoints, prefix, tls };
  }

  #assertFree(): void {
    if (this.#state !== undefined) {
      throw conflict('cluster_exists', 'this node is in a cluster already: leave it first (fairway cluster leave)');
    }
  }

  #known(): ManagedState {
    if (this.#state === undefined) {
      throw notFound(
        'no_cluster',
        'this node is in no cluster of its own: use fairway cluster init or fairway cluster join',
      );
    }
    return this.#state;
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}

function endpointOf({ address, clientPort }: MemberPlan): string {
  return urlOf(address, clientPort).replace('https://', '');
}

function clientEndpoints(members: readonly EtcdMemberInfo[]): string[] {
  const full = members.filter(({ learner }) => !learner);
  return full.flatMap(({ clientUrls }) => clientUrls.map((url) => url.replace(/^https?:\/\//, '')));
}
