/** `FAIRWAY_BENCH_QUICK=1` tries every part out in short; its figures say nothing. */
export const QUICK = process.env.FAIRWAY_BENCH_QUICK === '1';

const short = <T>(full: T, quick: T): T => (QUICK ? quick : full);

/** How often and how many, all in one place: together they take less than a quarter of an hour. */
export const COUNTS = {
  networkRounds: short(25, 3),
  startRounds: short(12, 2),
  liveRounds: short(20, 2),
  /** Ports published on one container. */
  ports: short([1, 32, 206, 1000, 10_000], [1, 32, 206]),
  /** The same with ports that are no neighbours. */
  portsApart: short([206, 1000], [32]),
  /** Containers with so many ports each. */
  portsOnMany: short(
    [
      { containers: 40, each: 25 },
      { containers: 100, each: 100 },
    ],
    [{ containers: 4, each: 5 }],
  ),
  connectionRounds: short(6, 1),
  pathRounds: short(5, 1),
  publishedRounds: short(4, 1),
  nameRounds: short(3, 1),
  /** Started and removed while names are asked: at least so many, and for so long, so that a quick engine is asked as often. */
  neighbours: short({ count: 10, ms: 3000 }, { count: 2, ms: 1000 }),
  crowd: short(100, 12),
  /** Networks beside the one that is measured. */
  networks: short([1, 10, 100], [1, 5]),
  /** Containers and networks that the daemon finds when it starts. */
  restart: short({ containers: 100, more: 100, networks: 100 }, { containers: 4, more: 4, networks: 4 }),
  /** Endpoints of one network, made by the library, without containers. */
  endpoints: short([1, 10, 100, 1000], [1, 10, 50]),
} as const;
