import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  assertUnchanged,
  type Engine,
  eventually,
  killNow,
  type Snapshot,
  snapshot,
  startEngine,
} from '../support/index.ts';

let engine: Engine;
let clean: Snapshot;

before(async () => {
  engine = await startEngine();
  clean = await snapshot(engine.host);
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');
const docker = (line: string): Promise<string> => engine.docker(...words(line));
const inspect = (container: string, format: string): Promise<string> =>
  engine.docker('inspect', '-f', format, container);

/** Prints, for each announcement that comes by a link, what is announced: an ARP packet, or an unsolicited advertisement. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
print('ready', flush=True)
while True:
    frame = s.recv(2048)
    kind, rest = frame[12:14], frame[14:]
    if kind == b'\\x08\\x06' and rest[14:18] == rest[24:28]:
        print('arp', socket.inet_ntoa(rest[14:18]), rest[8:14].hex(':'), flush=True)
    if kind == b'\\x86\\xdd' and rest[6] == 58 and rest[40] == 136 and frame[0:6] == b'\\x33\\x33\\0\\0\\0\\x01':
        print('na', socket.inet_ntop(socket.AF_INET6, rest[48:64]), frame[6:12].hex(':'), flush=True)
`;

interface Listener {
  heard(): string[];
  stop(): void;
}

/** What a container hears on its eth0. */
async function listenIn(container: string): Promise<Listener> {
  const { host } = engine;
  const [script, output] = ['listener.py', 'heard'].map((name) => join(host.directory, name)) as [string, string];
  writeFileSync(script, LISTENER);
  writeFileSync(output, '');
  const path = await inspect(container, '{{.NetworkSettings.SandboxKey}}');
  const pid = await host.ok(['sh', '-c', `nsenter --net=${path} python3 ${script} eth0 >${output} 2>&1 & echo $!`]);
  const lines = (): string[] => readFileSync(output, 'utf8').split('\n').slice(0, -1);
  await eventually(() => assert.equal(lines()[0], 'ready'));
  return { heard: () => lines().slice(1), stop: () => killNow(Number(pid)) };
}

describe('announcements', () => {
  test('of a given Ethernet address, and of IPv6 addresses, reach a neighbour three times', async () => {
    await docker('network create --ipv6 --subnet 10.40.0.0/24 --subnet fd40::/64 net');
    await docker('run -d --name neighbour --network net busybox sleep 600');
    const listener = await listenIn('neighbour');
    const mac = '02:00:00:00:00:44';
    await docker(`run -d --name box --network net --mac-address ${mac} --ip 10.40.0.9 --ip6 fd40::9 busybox sleep 600`);
    const times = (line: string): number => listener.heard().filter((one) => one === line).length;
    await eventually(() => {
      assert.ok(times(`arp 10.40.0.9 ${mac}`) >= 3, listener.heard().join('\n'));
      assert.ok(times(`na fd40::9 ${mac}`) >= 3, listener.heard().join('\n'));
    });
    listener.stop();
    await docker('rm -f box neighbour');
    await docker('network rm net');
    await assertUnchanged(engine.host, clean);
  });

  test('tell neighbours where an address went when it comes back with another Ethernet address', async () => {
    await docker('network create --subnet 10.40.0.0/24 net');
    await docker('run -d --name neighbour --network net busybox sleep 600');
    const appear = (mac: string): Promise<string> =>
      docker(`run -d --name box --network net --mac-address ${mac} --ip 10.40.0.9 busybox sleep 600`);
    await appear('02:00:00:00:00:45');
    await docker('exec neighbour ping -c 1 -W 5 10.40.0.9');
    await docker('rm -f box');
    await appear('02:00:00:00:00:46');
    await eventually(async () => {
      const known = await docker('exec neighbour ip neigh show 10.40.0.9');
      assert.match(known, /02:00:00:00:00:46/);
    });
    await docker('exec neighbour ping -c 1 -W 5 10.40.0.9');
    await docker('rm -f box neighbour');
    await docker('network rm net');
    await assertUnchanged(engine.host, clean);
  });
});

describe('ports of no particular number', () => {
  test('come from the kernel’s range without its reserved ports', async () => {
    const { host } = engine;
    const read = async (name: string): Promise<string> =>
      (await host.ok(words(`cat /proc/sys/net/ipv4/${name}`))).trim();
    const write = (name: string, value: string): Promise<string> =>
      host.ok(['sh', '-c', `echo "${value}" >/proc/sys/net/ipv4/${name}`]);
    const before = await read('ip_local_port_range');
    await write('ip_local_port_range', '40000 40003');
    await write('ip_local_reserved_ports', '40001');
    const ports: string[] = [];
    for (const name of ['first', 'second', 'third']) {
      await docker(`run -d --name ${name} -p 80 busybox httpd -f -h /etc`);
      ports.push(await inspect(name, '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}'));
    }
    assert.deepEqual(ports.sort(), ['40000', '40002', '40003']);
    const fourth = await engine.docker.run(words('run -d --name fourth -p 80 busybox true'));
    assert.equal(fourth.code, 125);
    assert.match(fourth.stderr, /all ports are allocated/);
    await docker('rm -f first second third fourth');
    await write('ip_local_reserved_ports', '');
    await write('ip_local_port_range', before.replace(/\s+/, ' '));
    await assertUnchanged(host, clean);
  });

  test('-P publishes every exposed port, and the LAN reaches it', async () => {
    await docker('run -d --name web -P --expose 80 --expose 7000-7001/udp busybox httpd -f -h /etc');
    const port = await inspect('web', '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}');
    const udp = await inspect('web', '{{len .NetworkSettings.Ports}}');
    assert.equal(udp, '3');
    await eventually(async () => {
      const page = await engine.lan.ok(
        words(`busybox timeout 10 busybox wget -qO- http://${engine.host.address}:${port}/group`),
      );
      assert.match(page, /root/);
    });
    await docker('rm -f web');
    await assertUnchanged(engine.host, clean);
  });
});
