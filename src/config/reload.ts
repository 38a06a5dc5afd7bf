import type { DaemonConfig, ReloadableConfig } from './config.ts';

export interface ConfigChange {
  /** Members of {@link ReloadableConfig} that are to be applied now. */
  readonly reloadable: readonly (keyof ReloadableConfig)[];
  /** Members that differ too, and wait for a restart. */
  readonly afterRestart: readonly string[];
}

const NOT_COMPARED: readonly string[] = ['reloadable', 'warnings'];

export function compareConfigs(before: DaemonConfig, after: DaemonConfig): ConfigChange {
  const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
  const reloadable = (Object.keys(after.reloadable) as (keyof ReloadableConfig)[]).filter(
    (key) => !same(before.reloadable[key], after.reloadable[key]),
  );
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof DaemonConfig>;
  const afterRestart = [...keys].filter((key) => !NOT_COMPARED.includes(key) && !same(before[key], after[key]));
  return { reloadable, afterRestart };
}

/** The attributes of the daemon's `reload` event, by dockerd's names. */
export function reloadAttributes(config: DaemonConfig): Readonly<Record<string, string>> {
  const { reloadable } = config;
  return {
    debug: String(reloadable.debug),
    labels: JSON.stringify(reloadable.labels),
    'live-restore': String(reloadable.liveRestore),
    'insecure-registries': JSON.stringify(reloadable.insecureRegistries),
    'registry-mirrors': JSON.stringify(reloadable.registryMirrors),
    'max-concurrent-downloads': String(reloadable.maxConcurrentDownloads),
    'max-concurrent-uploads': String(reloadable.maxConcurrentUploads),
    'max-download-attempts': String(reloadable.maxDownloadAttempts),
  };
}
