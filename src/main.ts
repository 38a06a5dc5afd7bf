// fairwayd: reads its configuration, takes its pid file, starts the engine, opens its sockets, and waits for signals.
import { mkdirSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import { messageOf, systemClock } from './base/index.ts';
import {
  compareConfigs,
  type DaemonConfig,
  helpText,
  listenText,
  loadConfig,
  reloadAttributes,
  reloadConfig,
} from './config/index.ts';
import { handleSignals, Listeners, Pidfile, whenIdle, workedMs } from './daemon/index.ts';
import { startEngine } from './engine.ts';
import { engineOptions, registryOptions } from './engine-options.ts';
import { giveBackMemory } from './kernel/index.ts';
import { VERSION } from './version.ts';

async function run(initial: DaemonConfig, log: Logger, args: readonly string[]): Promise<void> {
  let config = initial;
  for (const warning of config.warnings) log.warn(warning);
  await using undo = new AsyncDisposableStack();
  mkdirSync(config.execRoot, { recursive: true, mode: 0o711 });
  const pidfile = undo.use(Pidfile.take(config.pidfile));
  const engine = await startEngine(
    engineOptions(config, () => config.reloadable),
    log,
  );
  undo.defer(() => engine.close());
  const listeners = undo.use(
    await Listeners.open(
      { accept: (socket) => engine.api.accept(socket), log },
      { addresses: config.hosts, group: config.group, ...(config.tls === undefined ? {} : { tls: config.tls }) },
    ),
  );
  handleSignals(
    { log },
    {
      terminate: async () => {
        await listeners.close();
        await engine.close();
        pidfile.release();
      },
      reload: async () => {
        const next = reloadConfig(args);
        const change = compareConfigs(config, next);
        config = { ...config, reloadable: next.reloadable };
        log.level = config.reloadable.logLevel;
        engine.configureRegistry(registryOptions(config.reloadable));
        if (change.afterRestart.length > 0) log.warn({ keys: change.afterRestart }, 'changed, and waits for a restart');
        engine.events.publish({
          type: 'daemon',
          action: 'reload',
          id: engine.id,
          attributes: reloadAttributes(config),
        });
      },
    },
    { graceMs: config.shutdownTimeoutSeconds * 1000 },
  );
  log.info({ hosts: config.hosts.map(listenText), version: VERSION }, 'fairwayd is ready');
  undo.move();
  await engine.settle();
  whenIdle({ clock: systemClock, workedMs }, () => {
    // The next start, or one after a crash, finds what was compiled.
    flushCompileCache();
    giveBackMemory();
  });
}

async function main(): Promise<void> {
  if (Number(process.versions.node.split('.')[0]) < 26) {
    throw new Error(`fairwayd needs the pinned Node 26, this is ${process.version}: start it by bin/fairwayd`);
  }
  const args = process.argv.slice(2);
  const invocation = loadConfig(args);
  switch (invocation.action) {
    case 'help':
      process.stdout.write(helpText());
      return;
    case 'version':
      process.stdout.write(`Fairway version ${VERSION}\n`);
      return;
    case 'validate':
      process.stdout.write('configuration OK\n');
      return;
    case 'run': {
      const level = invocation.config.reloadable.logLevel;
      await run(invocation.config, pino({ level, base: null, timestamp: stdTimeFunctions.isoTime }), args);
    }
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`fairwayd: ${messageOf(error)}\n`);
  process.exit(1);
}
