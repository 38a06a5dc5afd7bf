import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Engine, startEngine } from '../test/support/index.ts';
import { Api } from './api.ts';
import { containers } from './containers.ts';
import { controlPlane } from './control-plane.ts';
import { dataPath } from './data-path.ts';
import { dns } from './dns.ts';
import { guard } from './guard.ts';
import { logs } from './logs.ts';
import { memory } from './memory.ts';
import { overlay } from './overlay.ts';
import { pull } from './pull.ts';
import { type Row, tableOf } from './stats.ts';

const SUITES: Readonly<Record<string, (api: Api, engine: Engine) => Promise<Row[]>>> = {
  memory: (api, { daemon }) => memory(api, daemon.pid),
  'control-plane': controlPlane,
  'data-path': dataPath,
  guard,
  overlay,
  dns,
  containers: (api, { host }) => containers(api, host),
  logs: (api, { host }) => logs(api, host),
  pull: (_api, { docker, host }) => pull(docker, host),
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => SUITES[name] === undefined);
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(', ')}; there are ${Object.keys(SUITES).join(', ')}`);
  process.exit(1);
}

const rows: Row[] = [];
for (const [name, suite] of Object.entries(SUITES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  console.error(`${name} …`);
  await using engine = await startEngine();
  const api = new Api(engine.daemon.socket);
  const measured = await suite(api, engine);
  api.close();
  for (const row of measured)
    console.error(`  ${row.what}: ${row.value}${row.baseline === undefined ? '' : ` | ${row.baseline}`}`);
  rows.push(...measured);
}

const table = tableOf(rows);
console.log(table);
if (asked.length === 0) {
  const head = `# Results\n\n\`npm run bench\`, ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, Linux ${release()}, Node ${process.version}\n\n`;
  writeFileSync(fileURLToPath(new URL('results/latest.md', import.meta.url)), `${head}${table}\n`);
}
