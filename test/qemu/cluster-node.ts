// One node of a cluster: everything of the network layer in the namespace where it runs, and no daemon. Its input is a request a
// line, its output an answer a line: see cluster.test.ts.
import { createInterface } from 'node:readline';
import { type Ip, ManualClock, newId, parseCidr } from '../../src/base/index.ts';
import { IpvlanDriver, MacvlanDriver, OverlayDriver, ParentLinks } from '../../src/drivers/index.ts';
import { StoreCluster } from '../../src/services/cluster/index.ts';
import { NodeEncryption } from '../../src/services/encryption/index.ts';
import { EtcdStore, MemoryStore } from '../../src/store/index.ts';
import { NetworkLab } from '../support/network-lab.ts';

export interface CreateRequest {
  readonly name: string;
  readonly driver: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly subnet: string;
  readonly ipRange?: string;
}

const [name = '', address = '', endpoint = ''] = process.argv.slice(2);
/** Keys turn by this one, everything else goes by the true one. */
const clock = new ManualClock();
const store = await EtcdStore.open({ endpoints: [endpoint], prefix: 'qemu' });
const self = { id: newId(), name, address: address as Ip };
const cluster = new StoreCluster({ store, local: new MemoryStore() }, { self });
const encryption = new NodeEncryption(
  { store, self: { id: self.id, address: () => self.address }, claim: () => cluster.claim(), clock },
  { port: 4790 },
);
const lab = await NetworkLab.start({
  cluster,
  drivers: (parts) => {
    const deps = { ...parts, parents: new ParentLinks(parts) };
    const overlay = new OverlayDriver({ ...parts, underlay: () => self.address, encryption });
    return [overlay, new IpvlanDriver(deps), new MacvlanDriver(deps)];
  },
});
const reconciler = lab.networking.reconciler(() => undefined);

const answers = {
  reachable: async () => cluster.reachable && cluster.nodes().length,
  create: async ({ name, driver, options = {}, subnet, ipRange }: CreateRequest) => {
    const pool = { subnet: parseCidr(subnet), ...(ipRange === undefined ? {} : { ipRange: parseCidr(ipRange) }) };
    const made = await lab.networking.networks.create({
      ...{ name, driver, options, scope: 'global', internal: driver === 'overlay' },
      ipam: { pools: [pool] },
    });
    return made.network.driverState?.vni ?? 0;
  },
  join: async ({ network, name }: { readonly network: string; readonly name: string }) => {
    const id = await lab.sandbox();
    const { ipv4, mac } = await lab.attach(id, network, name);
    return { path: lab.networking.sandboxes.get(id)?.path, ip: ipv4?.ip, mac };
  },
  verify: () => reconciler.verify(),
  advance: ({ ms }: { readonly ms: number }) => clock.advance(ms),
};

console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const { call, ...request } = JSON.parse(line) as { readonly call: keyof typeof answers };
  const answer: Promise<unknown> = answers[call](request as never);
  const said = await answer.then(
    (value) => ({ value: value ?? null }),
    (error: unknown) => ({ error: String(error) }),
  );
  console.log(JSON.stringify(said));
}
await lab[Symbol.asyncDispose]();
await encryption.close();
await cluster.close();
await store.close();
