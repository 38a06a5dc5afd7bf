import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ok } from '../test/support/index.ts';
import { stopChild } from '../test/support/lan.ts';
import type { Api } from './api.ts';
import type { Row } from './stats.ts';

const CLIENT = fileURLToPath(new URL('dns-client.ts', import.meta.url));
const ECHO = `const s = require('dgram').createSocket('udp4'); s.on('message', (m, p) => s.send(m, p.port, p.address)); s.bind(5300, '127.0.0.1', () => console.log('ready'))`;

interface Measured {
  readonly rate: number;
  readonly median: number;
  readonly p99: number;
  readonly wrong: number;
}

export async function dns(api: Api): Promise<Row[]> {
  await api.call('POST', '/networks/create', { Name: 'bench' });
  await api.run('server', 'bench');
  const pid = await api.run('client', 'bench');
  // The client goes before others in line for a core: its own waiting is not the resolver's latency.
  const enter = ['nice', '-n', '-10', 'nsenter', `--net=/proc/${pid}/ns/net`, process.execPath];

  const echo = spawn(enter[0] ?? '', [...enter.slice(1), '-e', ECHO], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(echo.stdout, 'data');
  const raw = await measure([...enter, CLIENT, '127.0.0.1', 'server', '2000', '32', '5300']);
  await stopChild(echo);

  const quiet = await measure([...enter, CLIENT, '127.0.0.11', 'server', '4000', '32']);
  let busy = true;
  let made = 0;
  const churn = (async () => {
    while (busy) {
      await api.run(`churn${made}`, 'bench');
      await api.remove(`churn${made}`);
      made += 1;
    }
  })();
  const loaded = await measure([...enter, CLIENT, '127.0.0.11', 'server', '4000', '32']);
  busy = false;
  await churn;
  await api.remove('server');
  await api.remove('client');
  await api.call('DELETE', '/networks/bench');
  const show = ({ rate, p99, wrong }: Measured): string =>
    `${Math.round(rate)}/s, p99 ${p99.toFixed(2)} ms${wrong > 0 ? `, ${wrong} wrong` : ''}`;
  return [
    {
      what: 'DNS, a container’s name',
      value: show(quiet),
      baseline: `UDP echo by Node: ${show(raw)}`,
      target: '≥ 30 000/s, p99 ≤ 2 ms',
    },
    {
      what: `DNS while containers are created (${made} in 4 s)`,
      value: show(loaded),
      target: '≥ 30 000/s, p99 ≤ 2 ms',
    },
  ];
}

async function measure(command: readonly string[]): Promise<Measured> {
  return JSON.parse(await ok(command)) as Measured;
}
