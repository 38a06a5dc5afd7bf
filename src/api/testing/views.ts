import { newId, parseCidr, parseIp, parseMac } from '../../base/index.ts';
import type { ContainerView } from '../../containers/contract.ts';
import type { ImageSummary } from '../../containers/images/index.ts';
import type { ConfiguredNetwork, ContainerSpec } from '../../containers/options.ts';
import type { EndpointRecord, NetworkRecord } from '../../model/index.ts';
import { NEVER } from '../encode/human.ts';

export function fakeNetwork(name: string, changes: Partial<NetworkRecord> = {}): NetworkRecord {
  return {
    id: newId(),
    name,
    created: '1700000000123456789',
    scope: 'local',
    driver: 'bridge',
    enableIpv4: true,
    enableIpv6: false,
    internal: false,
    attachable: false,
    ingress: false,
    configOnly: false,
    options: {},
    labels: {},
    ipam: { driver: 'default', options: {}, requested: [] },
    pools: [{ family: 4, subnet: parseCidr('172.18.0.0/16'), gateway: parseIp('172.18.0.1'), auxiliary: {} }],
    ...changes,
  };
}

export function fakeEndpoint(network: NetworkRecord, name: string, dnsNames: readonly string[]): EndpointRecord {
  return {
    id: newId(),
    networkId: network.id,
    sandboxId: newId(),
    name,
    dnsNames,
    request: {},
    ipv4: parseCidr('172.18.0.2/16'),
    gateway4: parseIp('172.18.0.1'),
    mac: parseMac('02:42:ac:12:00:02'),
    ifname: 'eth0',
    driverState: {},
  };
}

export function fakeView(name: string, spec: ContainerSpec, networks: readonly ConfiguredNetwork[]): ContainerView {
  const id = newId();
  const { process, network } = spec;
  return {
    id,
    name,
    created: '2026-01-02T03:04:05.000000006Z',
    spec,
    imageId: `sha256:${'ab'.repeat(32)}`,
    effective: {
      entrypoint: process.entrypoint ?? [],
      cmd: process.cmd ?? ['sh'],
      env: ['PATH=/bin', ...process.env],
      workdir: process.workdir ?? '/',
      user: process.user ?? '',
      hostname: network.hostname ?? id.slice(0, 12),
      labels: spec.labels,
      exposed: network.exposed,
      volumes: [],
    },
    state: {
      status: 'created',
      pid: 0,
      exitCode: 0,
      error: '',
      oomKilled: false,
      startedAt: NEVER,
      finishedAt: NEVER,
      restartCount: 0,
    },
    networks,
    endpoints: [],
    published: [],
    mounts: [],
    execIds: [],
    paths: { resolvConf: '/f/resolv.conf', hostname: '/f/hostname', hosts: '/f/hosts', log: '/f/log' },
  };
}

export function fakeImage(tag: string): ImageSummary {
  return {
    size: 4096,
    image: {
      id: `sha256:${'ab'.repeat(32)}`,
      repoTags: [tag],
      repoDigests: [],
      architecture: 'amd64',
      os: 'linux',
      variant: '',
      created: '2026-01-01T00:00:00Z',
      author: '',
      comment: '',
      dockerVersion: '',
      config: { Cmd: ['sh'] },
      history: [],
      diffIds: [`sha256:${'cd'.repeat(32)}`],
      chainIds: [`sha256:${'cd'.repeat(32)}`],
      manifest: {
        schemaVersion: 2,
        config: { mediaType: '', digest: '', size: 0, annotations: {} },
        layers: [],
      },
      manifestDescriptor: { mediaType: '', digest: '', size: 0, annotations: {} },
      records: [],
      lastTaggedAt: 0n,
    },
  };
}
