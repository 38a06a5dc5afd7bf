// The entry of `fairway`. The compile cache is on before anything else is loaded; it lies in the user's own cache
// folder, for in a shared one somebody else could put code that we would run.
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

const REQUIRED_NODE = 26;

if (Number(process.versions.node.split('.')[0]) < REQUIRED_NODE) {
  process.stderr.write(`fairway: Node ${REQUIRED_NODE} or newer is needed, this is ${process.version}\n`);
  process.exit(1);
}
enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fairway', 'compiled'));

const { runProcess } = await import('./process.ts');
await runProcess();
