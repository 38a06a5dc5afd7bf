import { Backoff, type Clock, type Log, messageOf } from './base/index.ts';
import { type NftChange, NftMonitor } from './kernel/index.ts';
import { type NftFirewall, TABLES } from './services/firewall/index.ts';

const LONGEST_MS = 10_000;

/**
 * Makes our tables good when somebody else changes or flushes them, as soon as the kernel tells; against somebody who does
 * it again and again, slower and slower.
 */
export function watchPacketFilter(
  firewall: Pick<NftFirewall, 'restore' | 'verify'>,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Disposable {
  let changed = new Set<string>();
  const work = async (): Promise<boolean> => {
    const tables = [...changed];
    changed = new Set();
    // Without a name it may have been anybody's table.
    if (tables.length === 0 && (await firewall.verify()).length === 0) return false;
    if (!(await firewall.restore())) return false;
    log.warn({ tables }, 'the packet filter was changed by somebody else; it is as it should be again');
    return true;
  };
  const onError = (error: unknown): void =>
    log.error({ reason: messageOf(error) }, 'the packet filter was changed by somebody else and cannot be made good');
  const repair = new Backoff({ clock, work, onError }, { longestMs: LONGEST_MS });
  const hear = (change: NftChange): void => {
    if (change.kind === 'table') {
      if (!TABLES.includes(change.table)) return;
      changed.add(change.table);
    }
    repair.ask();
  };
  const deaf = (error: unknown): void => log.error({ reason: messageOf(error) }, 'cannot hear of changed rules');
  const monitor = NftMonitor.open({ onError: deaf }, hear);
  return {
    [Symbol.dispose]: () => {
      repair[Symbol.dispose]();
      monitor.close();
    },
  };
}
