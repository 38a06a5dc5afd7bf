// The entry of `fairway`: nothing but the check of the runtime before anything else is loaded.
const REQUIRED_NODE = 26;

if (Number(process.versions.node.split('.')[0]) < REQUIRED_NODE) {
  process.stderr.write(`fairway: Node ${REQUIRED_NODE} or newer is needed, this is ${process.version}\n`);
  process.exit(1);
}

const { runProcess } = await import('./process.ts');
await runProcess();
