import { setTimeout as delay } from 'node:timers/promises';
import { silentLog, systemClock } from '../../base/index.ts';
import { type Call, Link, type LinkDeps } from './link.ts';
import type { EtcdStoreOptions } from './options.ts';
import { isBehind, isNoMember, isUnhealthy, type WireMember } from './wire/index.ts';

/** A member of the etcd cluster itself. */
export interface EtcdMemberInfo {
  readonly id: string;
  /** Empty: it was added and has not come yet. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** It gets everything, and counts for no majority yet: nor may it be asked. */
  readonly learner: boolean;
}

const SETTLE_MS = 20_000;
const PAUSE_MS = 100;

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

  /** As a learner: should it never come, the others go on without it. Returns all members, the new one without a name. */
  async add(peerUrl: string): Promise<{ readonly id: string; readonly members: readonly EtcdMemberInfo[] }> {
    const call: Call = {
      service: 'Cluster',
      method: 'MemberAdd',
      what: `add ${peerUrl} to the cluster store`,
      repeatable: false,
    };
    const request = { peerURLs: [peerUrl], isLearner: true };
    const { member, members } = await this.#change<{ member: WireMember; members: readonly WireMember[] }>(
      call,
      request,
      (error) => isUnhealthy(error) || isNoMember(error),
    );
    return { id: member.ID, members: members.map(memberOf) };
  }

  /** Makes a learner a full member. False: it has not caught up yet. */
  async promote(id: string): Promise<boolean> {
    const call: Call = {
      service: 'Cluster',
      method: 'MemberPromote',
      what: 'make a member of the cluster store a full one',
      repeatable: false,
    };
    try {
      await this.#change(call, { ID: id });
      return true;
    } catch (error) {
      if (isBehind(error)) return false;
      throw error;
    }
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
  async #change<T>(call: Call, request: object, passes = isUnhealthy): Promise<T> {
    const end = performance.now() + SETTLE_MS;
    for (;;) {
      try {
        return await this.#link.call<T>(call, request);
      } catch (error) {
        if (!passes(error) || performance.now() > end) throw error;
        await delay(PAUSE_MS);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#link.close();
  }
}

function memberOf({ ID: id, name, peerURLs: peerUrls, clientURLs: clientUrls, isLearner }: WireMember): EtcdMemberInfo {
  return { id, name, peerUrls, clientUrls, learner: isLearner };
}
