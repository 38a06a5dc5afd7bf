// A process of its own that reads containers' outputs into their logs while no daemon does. It is armed while a daemon
// lives (`ArmedLogHolder`) and starts when that one is gone, however it went; the next daemon ends it and takes over.
import { pino, stdTimeFunctions } from 'pino';
import { systemClock } from './base/index.ts';
import { holdLogs, type LogHoldOptions } from './containers/io/index.ts';
import { SqliteStore } from './store/index.ts';

const release = Promise.withResolvers<void>();
process.once('SIGTERM', () => release.resolve());

const { store: storePath, ...options } = JSON.parse(process.argv[2] ?? '{}') as LogHoldOptions & { store: string };
const store = SqliteStore.open(storePath);
const log = pino({ base: null, timestamp: stdTimeFunctions.isoTime });
const hold = await holdLogs({ store, clock: systemClock, log }, options);
await store.close();
await Promise.race([hold.ended, release.promise]);
await hold.release();
process.exit(0);
