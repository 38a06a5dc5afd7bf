import { writeFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Row, tableOf } from '../stats.ts';
import { answering } from './answering.ts';
import { simulation } from './simulation.ts';

const FULL = { nodes: 1000, endpoints: 50 };
const [nodes = FULL.nodes, endpoints = FULL.endpoints] = process.argv.slice(2).map(Number);
if (!(nodes > 1 && endpoints >= 0)) {
  console.error('npm run bench -- cluster [NODES [ENDPOINTS-OF-EACH]]');
  process.exit(1);
}
const rows: Row[] = [];
for (const simulated of [1, 10, 50]) rows.push(...(await answering(simulated)));
const processes = Math.max(2, availableParallelism());
rows.push(...(await simulation({ nodes, endpoints, networks: 100, processes, late: 40 })));
const table = tableOf(rows);
console.log(table);
if (nodes === FULL.nodes && endpoints === FULL.endpoints) {
  const head = `# A simulated cluster\n\n\`npm run bench -- cluster\`, ${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} cores, Linux ${release()}, Node ${process.version}; one etcd member on the same machine\n\n`;
  writeFileSync(fileURLToPath(new URL('../results/cluster.md', import.meta.url)), `${head}${table}\n`);
}
