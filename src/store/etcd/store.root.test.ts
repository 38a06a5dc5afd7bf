import { after, before } from 'node:test';
import { type ConnectedStore, clusterStoreConformance } from '../../../test/conformance/cluster-store-conformance.ts';
import { storeConformance } from '../../../test/conformance/store-conformance.ts';
import { Cable } from '../../../test/support/cable.ts';
import { TestEtcd } from '../../../test/support/etcd.ts';
import { EtcdStore } from './index.ts';

let etcd: TestEtcd;
let prefixes = 0;
const opened: (() => Promise<unknown>)[] = [];

before(async () => {
  etcd = await TestEtcd.start();
});

after(async () => {
  for (const close of opened) await close();
  await etcd[Symbol.asyncDispose]();
});

function newPrefix(): string {
  prefixes += 1;
  return `test/${prefixes}`;
}

storeConformance('EtcdStore', { open: () => EtcdStore.open({ endpoints: etcd.endpoints, prefix: newPrefix() }) });

async function connected(prefix: string): Promise<ConnectedStore> {
  const cable = await Cable.to(etcd.endpoints[0] ?? '');
  const store = await EtcdStore.open({ endpoints: [cable.endpoint], prefix });
  opened.push(async () => {
    await store.close();
    await cable[Symbol.asyncDispose]();
  });
  return { store, cut: () => cable.cut(), heal: () => cable.heal() };
}

clusterStoreConformance('EtcdStore', {
  open: (nodes) => {
    const prefix = newPrefix();
    return Promise.all(Array.from({ length: nodes }, () => connected(prefix)));
  },
  shortestLeaseSeconds: 2,
  forgetHistory: () => etcd.compact(),
});
