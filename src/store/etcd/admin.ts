import { silentLog, systemClock } from '../../base/index.ts';
import { type Call, Link, type LinkDeps } from './link.ts';
import type { EtcdStoreOptions } from './options.ts';
import { isUnhealthy, type WireMember } from './wire/index.ts';

/** A member of the etcd cluster itself. */
export interface EtcdMemberInfo {
  readonly id: string;
  /** Empty: it was added and has not come yet. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
}

const SETTLE_MS = 20_000;

/** Who makes up an etcd: asked and changed where it is ours to manage. */
export class EtcdAdmin implements Disposable {
  readonly #link: Link;

  private constructor(link: Link) {
    this.#link = link;
  }

  static async open(options: EtcdStoreOptions, deps: Partial<LinkDeps> = {}): Promise<EtcdAdmin> {
    return new EtcdAdmin(await Link.open(options, { clock: systemClock, log: silentLog, ...deps }));
  }

  async members(): Promise<readonly EtcdMemberInfo[]> {
    const call: Call = {
      service: 'Cluster',
      method: 'MemberList',
      what: 'list the members of the cluster store',
      repeatable: true,
    };
    return (await this.#link.call<{ members: readonly WireMember[] }>(call, {})).members.map(memberOf);
  }

  /** Returns all members, the new one without a name. */
  async add(peerUrl: string): Promise<{ readonly id: string; readonly members: readonly EtcdMemberInfo[] }> {
    const call: Call = {
      service: 'Cluster',
      method: 'MemberAdd',
      what: `add ${peerUrl} to the cluster store`,
      repeatable: false,
    };
    const request = { peerURLs: [peerUrl] };
    const { member, members } = await this.#change<{ member: WireMember; members: readonly WireMember[] }>(
      call,
      request,
    );
    return { id: member.ID, members: members.map(memberOf) };
  }

  async remove(id: string): Promise<void> {
    const call: Call = {
      service: 'Cluster',
      method: 'MemberRemove',
      what: 'remove a member of the cluster store',
      repeatable: false,
    };
    await this.#change(call, { ID: id });
  }

  /** That a majority answers; throws `store_unreachable`. */
  async assertAnswers(): Promise<void> {
    const call: Call = { service: 'KV', method: 'Range', what: 'ask the cluster store', repeatable: true };
    await this.#link.call(call, { key: Buffer.from([0]), count_only: true });
  }

  /** etcd refuses to change who is in it for some seconds after somebody came. */
  async #change<T>(call: Call, request: object): Promise<T> {
    const end = performance.now() + SETTLE_MS;
    for (;;) {
      try {
        return await this.#link.call<T>(call, request);
      } catch (error) {
        if (!isUnhealthy(error) || performance.now() > end) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#link.close();
  }
}

function memberOf({ ID: id, name, peerURLs: peerUrls, clientURLs: clientUrls }: WireMember): EtcdMemberInfo {
  return { id, name, peerUrls, clientUrls };
}
