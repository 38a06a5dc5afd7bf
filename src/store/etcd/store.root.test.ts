import { after, before } from 'node:test';
import { storeConformance } from '../../../test/conformance/store-conformance.ts';
import { TestEtcd } from '../../../test/support/etcd.ts';
import { EtcdStore } from './index.ts';

let etcd: TestEtcd;
let prefixes = 0;

before(async () => {
  etcd = await TestEtcd.start();
});

after(() => etcd[Symbol.asyncDispose]());

async function open(): Promise<EtcdStore> {
  prefixes += 1;
  return EtcdStore.open({ endpoints: etcd.endpoints, prefix: `test/${prefixes}` });
}

storeConformance('EtcdStore', { open });
