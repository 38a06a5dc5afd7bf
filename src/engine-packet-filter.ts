import { type Clock, type Log, messageOf } from './base/index.ts';
import { type NftChange, NftMonitor } from './kernel/index.ts';
import { type NftFirewall, TABLES } from './services/firewall/index.ts';

/** What belongs together comes together: a firewall's reload is several transactions. */
const SETTLE_MS = 20;
const LONGEST_MS = 10_000;
const CALM_MS = 60_000;

/**
 * Makes our tables good when somebody else changes or flushes them, as soon as the kernel tells. Against somebody who does
 * it again and again it gets slower: the delay doubles with each repair and is forgotten after a calm minute.
 */
export function watchPacketFilter(
  firewall: Pick<NftFirewall, 'restore' | 'verify'>,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Disposable {
  let changed: Set<string> | undefined;
  let unsure = false;
  let delay = SETTLE_MS;
  let last = 0;
  let cancel = (): void => {};
  const repair = async (): Promise<void> => {
    const tables = [...(changed ?? [])];
    const doubt = unsure && tables.length === 0;
    changed = undefined;
    unsure = false;
    try {
      if (doubt && (await firewall.verify()).length === 0) return;
      if (!(await firewall.restore())) return;
      log.warn({ tables }, 'the packet filter was changed by somebody else; it is as it should be again');
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'the packet filter was changed by somebody else and cannot be made good');
    }
    delay = Math.min(delay * 2, LONGEST_MS);
    last = clock.now();
  };
  const hear = (change: NftChange): void => {
    if (change.kind === 'table' && !TABLES.includes(change.table)) return;
    const waiting = changed !== undefined;
    changed ??= new Set();
    if (change.kind === 'table') changed.add(change.table);
    else unsure = true;
    if (waiting) return;
    if (clock.now() - last > CALM_MS) delay = SETTLE_MS;
    cancel = clock.after(delay, () => void repair());
  };
  const onError = (error: unknown): void => log.error({ reason: messageOf(error) }, 'cannot hear of changed rules');
  const monitor = NftMonitor.open({ onError }, hear);
  return {
    [Symbol.dispose]: () => {
      cancel();
      monitor.close();
    },
  };
}
