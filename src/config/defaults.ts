/** What holds when nobody says otherwise. The only place for such values. */
export const DEFAULTS = {
  configFile: '/etc/fairway/daemon.json',
  host: 'unix:///run/fairway/fairway.sock',
  group: 'docker',
  dataRoot: '/var/lib/fairway',
  execRoot: '/run/fairway',
  pidfile: '/run/fairway/fairwayd.pid',
  logLevel: 'info',
  logDriver: 'json-file',
  containerdNamespace: 'fairway',
  mtu: 1500,
  clusterPrefix: 'fairway',
  etcdPort: 2379,
  presenceSeconds: 10,
  dataPathPort: 4789,
  tcpPort: 2375,
  tlsPort: 2376,
  shutdownTimeoutSeconds: 15,
  stopTimeoutSeconds: 10,
  shmSizeBytes: 64 * 1024 * 1024,
  maxConcurrentDownloads: 3,
  maxConcurrentUploads: 5,
  maxDownloadAttempts: 5,
} as const;

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
