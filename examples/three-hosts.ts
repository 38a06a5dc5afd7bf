// Three hosts on one machine, each a network namespace with files and a daemon of its own, on one LAN that leads nowhere. The
// first begins a cluster, the others join it, and containers on an overlay network find each other by name. Each command is
// shown with what it prints. As root, after `sh scripts/setup.sh --tests`: `node examples/three-hosts.ts`.
import { dirname } from 'node:path';
import { type Engine, ETCD, eventually, startEngine, TestLan } from '../test/support/index.ts';

process.env.PATH = `${dirname(ETCD)}:${process.env.PATH}`;

await using lan = await TestLan.start();
await using one = await startEngine({ lan });
await using two = await startEngine({ lan });
await using three = await startEngine({ lan });
const names = new Map([
  [one, 'one'],
  [two, 'two'],
  [three, 'three'],
]);

async function on(host: Engine, line: string, shown = line): Promise<string> {
  console.log(`${names.get(host)}# fairway ${shown}`);
  const printed = await host.fairway(...line.split(' '));
  const short = printed.replaceAll(/\bFWC1-\S+/g, 'FWC1-…').replaceAll(/\b[0-9a-f]{64}\b/g, (id) => id.slice(0, 12));
  if (short !== '') console.log(short);
  return printed;
}

const [token = ''] = /FWC1-\S+/.exec(await on(one, 'cluster init')) ?? [];
for (const host of [two, three]) await on(host, `cluster join ${token}`, 'cluster join FWC1-…');
await eventually(async () => {
  const ready = (await one.fairway('cluster', 'ls')).match(/Ready/g) ?? [];
  if (ready.length < 3) throw new Error('not all are there yet');
});
await on(one, 'cluster ls');

await on(two, 'network create -d overlay shared');
await eventually(async () => {
  for (const host of names.keys()) await host.fairway('network', 'inspect', 'shared');
});
for (const [host, name] of names) {
  await on(host, `run -d --name web-${name} --network shared busybox httpd -f -h /etc`);
}
for (const [host, name] of names) {
  for (const other of names.values()) {
    const exec = [
      'exec',
      `web-${name}`,
      'busybox',
      'timeout',
      '10',
      'busybox',
      'wget',
      '-qO-',
      `http://web-${other}/hostname`,
    ];
    const answer = await eventually(() => host.fairway(...exec));
    const { Config } = await inspect([...names].find(([, found]) => found === other)?.[0] ?? host, `web-${other}`);
    console.log(
      `web-${name} asked web-${other}, ${answer === Config.Hostname ? 'which answered' : `but ${answer} answered`}`,
    );
  }
}
await on(three, 'network inspect -f {{.Peers}} shared');
for (const [host, name] of names) await on(host, `rm -f web-${name}`);
await eventually(() => three.fairway('network', 'rm', 'shared'));
for (const host of [three, two]) await on(host, 'cluster leave');
await on(one, 'cluster leave --force');

async function inspect(host: Engine, container: string): Promise<{ readonly Config: { readonly Hostname: string } }> {
  return (await host.dockerode.getContainer(container).inspect()) as { Config: { Hostname: string } };
}
