import type { Mount } from '../containerd/index.ts';
import type { ExecOptions } from '../contract.ts';
import type { ContainerRecord } from '../records/index.ts';
import { environmentOf, rlimitsOf, userOf } from './build.ts';
import { capabilitiesOf } from './capabilities.ts';
import type { HostFacts } from './host-facts.ts';
import { parseSecurityOptions } from './security.ts';

export interface ExecSpecInput {
  readonly record: ContainerRecord;
  readonly rootfs: readonly Mount[];
  readonly options: Pick<ExecOptions, 'cmd' | 'env' | 'privileged' | 'tty' | 'workdir' | 'user'>;
  readonly facts: HostFacts;
  /** Beyond the container's own: legacy links. */
  readonly extraEnv: readonly string[];
  readonly defaultUlimits: ContainerRecord['spec']['resources']['ulimits'];
  readonly size?: { readonly width: number; readonly height: number };
}

/** The OCI process of an exec: the container's environment and limits, the exec's own user, folder and terminal. */
export function execProcess(input: ExecSpecInput): object {
  const { record, options, facts, size } = input;
  const { security, process } = record.spec;
  const settings = parseSecurityOptions(security);
  const privileged = security.privileged || options.privileged;
  const user = userOf(input.rootfs, options.user || record.effective.user, process.groupAdd);
  const bounding = capabilitiesOf({
    add: security.capAdd,
    drop: options.privileged ? [] : security.capDrop,
    privileged,
    available: facts.capabilities,
  });
  const sets = user.uid === 0 ? bounding : [];
  return {
    terminal: options.tty,
    ...(options.tty && size && { consoleSize: { width: size.width, height: size.height } }),
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    args: options.cmd,
    env: environmentOf([...record.effective.env, ...options.env], {
      hostname: record.effective.hostname,
      tty: options.tty,
      extra: input.extraEnv,
    }),
    cwd: options.workdir || record.effective.workdir || '/',
    capabilities: { bounding, effective: sets, permitted: sets, inheritable: [], ambient: [] },
    rlimits: rlimitsOf(record.spec.resources.ulimits, input.defaultUlimits, facts),
    noNewPrivileges: settings.noNewPrivileges,
    ...(settings.apparmor && facts.apparmor
      ? { apparmorProfile: options.privileged ? 'unconfined' : settings.apparmor }
      : {}),
  };
}
