import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inOwnNamespaces } from '../../test/support/network-lab.ts';
import type { Id } from '../base/index.ts';
import { FaultLab, type FaultSnapshot } from './testing/fault-lab.ts';

/** One thing that users do, on what there is before it. */
interface Operation {
  readonly name: string;
  readonly prepare: (lab: FaultLab) => Promise<Id>;
  readonly act: (lab: FaultLab, box: Id) => Promise<unknown>;
  /** Undoes it, for the next round. */
  readonly cleanUp: (lab: FaultLab, box: Id) => Promise<unknown>;
  /** Teardown goes on to the end: after a fault it is repeated, not undone. */
  readonly tearsDown: boolean;
  /** Fewer calls would mean that the faults miss what it does. */
  readonly calls: number;
}

const NET = { name: 'net', enableIpv6: true };
const nothing = async (): Promise<Id> => '' as Id;
const withNetwork = async (lab: FaultLab): Promise<Id> => {
  await lab.networking.networks.create(NET);
  return lab.sandbox(8080);
};
const attached = async (lab: FaultLab): Promise<Id> => {
  const box = await withNetwork(lab);
  await lab.attach(box, 'net');
  return box;
};
const clear = async (lab: FaultLab): Promise<void> => {
  for (const { value } of await lab.store.list<{ id: Id }>('sandboxes/'))
    await lab.networking.sandboxes.close(value.id);
  for (const { id, name } of lab.networking.networks.list()) {
    if (!['none', 'host'].includes(name)) await lab.networking.networks.remove(id);
  }
};
const networkId = (lab: FaultLab): Id => lab.networking.networks.find('net').id;

const OPERATIONS: readonly Operation[] = [
  {
    name: 'creating a network',
    ...{ prepare: nothing, cleanUp: clear, tearsDown: false, calls: 8 },
    act: (lab) => lab.networking.networks.create(NET),
  },
  {
    name: 'opening a sandbox',
    ...{ prepare: nothing, cleanUp: clear, tearsDown: false, calls: 6 },
    act: (lab) => lab.sandbox(8080),
  },
  {
    name: 'attaching and publishing',
    ...{ prepare: withNetwork, cleanUp: clear, tearsDown: false, calls: 15 },
    act: (lab, box) => lab.attach(box, 'net'),
  },
  {
    name: 'detaching',
    ...{ prepare: attached, cleanUp: clear, tearsDown: true, calls: 6 },
    act: (lab, box) => lab.networking.sandboxes.detach(box, networkId(lab)),
  },
  {
    name: 'closing a sandbox',
    ...{ prepare: attached, cleanUp: clear, tearsDown: true, calls: 5 },
    act: (lab, box) => lab.networking.sandboxes.close(box),
  },
  {
    name: 'removing a network',
    ...{ prepare: async (lab: FaultLab) => (await lab.networking.networks.create(NET)).network.id, cleanUp: clear },
    ...{ tearsDown: true, calls: 5 },
    act: (lab, id) => lab.networking.networks.remove(id),
  },
];

async function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

if (inOwnNamespaces(import.meta.filename)) {
  describe('a fault at any call into the kernel or the store', () => {
    for (const { name, prepare, act, cleanUp, tearsDown, calls } of OPERATIONS) {
      it(`while ${name} leaves nothing half-made, whether the call fails or the daemon dies there`, async (t) => {
        await using lab = await FaultLab.start();
        let struck = 0;
        for (const dies of [false, true]) {
          for (let at = 0; ; at += 1) {
            const box = await prepare(lab);
            const before = await lab.snapshot();
            lab.faults.arm(at, { dies });
            const succeeded = await succeeds(act(lab, box));
            const where = `${dies ? 'death' : 'fault'} at ${lab.faults.struck}`;
            const done = lab.faults.struck === undefined;
            lab.faults.disarm();
            if (done) {
              assert.ok(succeeded);
              await cleanUp(lab, box);
              break;
            }
            struck += 1;
            if (dies) await lab.restart();
            // A teardown that is refused something goes on; what it could not remove is found by its mark.
            if (tearsDown && !dies) await lab.networking.reconciler(() => undefined).collect();
            const now = await lab.snapshot();
            assert.deepEqual(now.drift, [], where);
            if (!succeeded && !tearsDown && !dies) assert.deepEqual(now, before, where);
            // Whatever is there is whole: it can be taken away like anything else.
            if (!dies && tearsDown) await succeeds(act(lab, box));
            await cleanUp(lab, box);
            if (tearsDown) await lab.restart();
            assert.deepEqual((await lab.snapshot()).drift, [], where);
            assert.deepEqual(leftOf(await lab.snapshot()), NOTHING, where);
          }
        }
        t.diagnostic(`${struck} faults`);
        assert.ok(struck >= 2 * calls, `only ${struck} faults`);
      });
    }
  });
}

/** What a machine without our networks has. */
const NOTHING = { links: ['lo'], namespaces: [], mounts: [], stored: [], entries: false };

function leftOf({ links, namespaces, mounts, stored, rules }: FaultSnapshot): typeof NOTHING | object {
  return {
    links: links.map((text) => text.split(' ')[0]),
    ...{ namespaces, mounts },
    // The predefined ones stay.
    stored: stored.filter((key) => !key.startsWith('networks/')),
    entries: /comment/.test(rules),
  };
}
