import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { newId, parseCidr, parseIp } from '../../src/base/index.ts';
import { createNetns, deleteNetns, openNetns, Rtnl } from '../../src/kernel/index.ts';
import type { AttachSpec, NetworkDriver, NetworkRecord } from '../../src/model/index.ts';

export interface DriverSubject {
  readonly driver: NetworkDriver;
  /** Deletes what the driver put off. */
  readonly settle: () => void;
}

export interface DriverConformanceOptions {
  /** In the namespace of the thread, which is the test's own. */
  readonly start: (rtnl: Rtnl) => DriverSubject;
  /** Options of a network of this kind. */
  readonly options?: Readonly<Record<string, string>>;
  /** What the cluster has decided for such a network. */
  readonly state?: NonNullable<NetworkRecord['driverState']>;
  /** What stands ready before the driver starts: a parent link. */
  readonly prepare?: (rtnl: Rtnl) => void;
}

/** What the contract of {@link NetworkDriver} says, for one kind of network, on a real kernel. */
export function driverConformance(name: string, options: DriverConformanceOptions): void {
  describe(`driver ${name}`, () => {
    const directory = mkdtempSync(join(tmpdir(), 'fwt-driver-'));
    const sandboxPath = join(directory, 'sandbox');
    let rtnl: Rtnl;
    let subject: DriverSubject;
    before(() => {
      rtnl = Rtnl.open();
      options.prepare?.(rtnl);
      subject = options.start(rtnl);
      createNetns(sandboxPath);
    });
    after(() => {
      deleteNetns(sandboxPath);
      rtnl.close();
      rmSync(directory, { recursive: true });
    });

    const network = (): NetworkRecord => ({
      id: newId(),
      name: 'net',
      created: '0',
      scope: subject.driver.traits.scope,
      driver: name,
      enableIpv4: true,
      enableIpv6: false,
      internal: false,
      attachable: false,
      ingress: false,
      configOnly: false,
      options: options.options ?? {},
      labels: {},
      ipam: { driver: 'default', options: {}, requested: [] },
      pools: subject.driver.traits.usesIpam
        ? [{ family: 4, subnet: parseCidr('10.77.0.0/24'), gateway: parseIp('10.77.0.1'), auxiliary: {} }]
        : [],
      ...(options.state === undefined ? {} : { driverState: options.state }),
    });
    const endpoint = (record: NetworkRecord, path = sandboxPath): AttachSpec => ({
      endpointId: newId(),
      ownerId: newId(),
      network: record,
      sandboxPath: path,
      ifname: 'eth0',
      ...(subject.driver.traits.usesIpam ? { ipv4: parseCidr('10.77.0.2/24') } : {}),
      request: {},
    });
    const links = (): readonly string[] => {
      subject.settle();
      return rtnl.links.list().map((link) => `${link.name} ${link.alias ?? ''}`);
    };
    const linksInside = (): readonly string[] => {
      subject.settle();
      using ns = openNetns(sandboxPath);
      using inner = Rtnl.open(ns);
      return inner.links.list().map((link) => link.name);
    };

    const upInside = (): readonly string[] => {
      using ns = openNetns(sandboxPath);
      using inner = Rtnl.open(ns);
      const used = new Set(inner.addresses.list().map(({ linkIndex }) => linkIndex));
      return inner.links.list().flatMap(({ name, index, flags }) => (flags.up || used.has(index) ? [name] : []));
    };

    it('accepts a plain request and touches nothing by it', () => {
      const before = links();
      const { id, options: labels } = network();
      const request = {
        id,
        name: 'net',
        enableIpv4: true,
        enableIpv6: false,
        internal: false,
        options: labels,
        pools: [],
      };
      subject.driver.validate(request, []);
      assert.deepEqual(links(), before);
    });

    it('makes a network and removes it without a trace, twice if need be', async () => {
      const before = links();
      const record = network();
      await subject.driver.createNetwork(record);
      await subject.driver.removeNetwork(record);
      await subject.driver.removeNetwork(record);
      assert.deepEqual(links(), before);
    });

    it('attaches a link with its address, up, and takes it away again, twice if need be', async () => {
      const before = links();
      const inside = linksInside();
      const inUse = upInside();
      const record = network();
      await subject.driver.createNetwork(record);
      const made = links();
      const spec = endpoint(record);
      const attachment = await subject.driver.attach(spec);
      if (attachment.ifname !== undefined) {
        using ns = openNetns(sandboxPath);
        using inner = Rtnl.open(ns);
        const link = inner.links.get(attachment.ifname);
        assert.equal(link?.flags.up, true);
        if (attachment.mac !== undefined) assert.equal(link?.mac, attachment.mac);
        const addresses = inner.addresses.list(link?.index).map(({ cidr }) => cidr.ip);
        assert.deepEqual(addresses, ['10.77.0.2']);
        assert.equal(
          inner.routes.list({ family: 4 }).some((route) => route.destination === undefined),
          false,
        );
      }
      subject.driver.announce?.(spec, attachment.state);
      await subject.driver.detach(spec, attachment.state);
      assert.deepEqual(upInside(), inUse);
      await subject.driver.detach(spec, attachment.state);
      assert.deepEqual(linksInside(), inside);
      assert.deepEqual(links(), made);
      await subject.driver.removeNetwork(record);
      assert.deepEqual(links(), before);
    });

    it('detaches what a killed daemon began, knowing only what it began with', async () => {
      const record = network();
      await subject.driver.createNetwork(record);
      const made = links();
      const spec = endpoint(record);
      const inside = linksInside();
      await subject.driver.attach(spec);
      await subject.driver.detach(spec, {});
      assert.deepEqual(linksInside(), inside);
      assert.deepEqual(links(), made);
      await subject.driver.removeNetwork(record);
    });

    it('leaves nothing of an endpoint that cannot be attached', async () => {
      const record = network();
      await subject.driver.createNetwork(record);
      const made = links();
      if (subject.driver.traits.usesIpam) {
        await assert.rejects(subject.driver.attach(endpoint(record, join(directory, 'nowhere'))));
        // Half-way: the link is there when the setting is refused.
        const bad = { 'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.IFNAME.nonsense=1' };
        await assert.rejects(subject.driver.attach({ ...endpoint(record), request: { driverOptions: bad } }));
        assert.equal(linksInside().includes('eth0'), false);
      }
      assert.deepEqual(links(), made);
      await subject.driver.removeNetwork(record);
    });

    it('restores networks and attachments as they were', async () => {
      const record = network();
      const setup = await subject.driver.createNetwork(record);
      const spec = endpoint(record);
      const attachment = await subject.driver.attach(spec);
      const made = links();
      assert.deepEqual(subject.driver.adoptNetwork?.(record) ?? setup, setup);
      assert.deepEqual(await subject.driver.restoreNetwork(record), setup);
      assert.deepEqual(subject.driver.restoreAttachment(spec, attachment.state), attachment);
      await subject.driver.sweep?.({ networks: new Set([record.id]), endpoints: new Set([spec.endpointId]) });
      assert.deepEqual(links(), made);
      await subject.driver.detach(spec, attachment.state);
      await subject.driver.removeNetwork(record);
      assert.equal(subject.driver.adoptNetwork?.(record), undefined);
    });

    it('sweeps what belongs to nothing', async () => {
      const before = links();
      const record = network();
      const { sweep } = subject.driver;
      if (sweep === undefined) return;
      await subject.driver.createNetwork(record);
      await subject.driver.attach(endpoint(record));
      deleteNetns(sandboxPath);
      createNetns(sandboxPath);
      const forgetful = options.start(rtnl);
      await forgetful.driver.sweep?.({ networks: new Set(), endpoints: new Set() });
      assert.deepEqual(links(), before);
    });
  });
}
