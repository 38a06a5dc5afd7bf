import { readFileSync } from 'node:fs';
import { invalid } from '../../base/index.ts';
import type { ContainersOptions } from '../engine.ts';
import type { ContainerSpec } from '../options.ts';
import type { HostFacts } from './host-facts.ts';

/** The daemon's configured defaults, where the container says nothing of its own. */
export function withDaemonDefaults(
  spec: ContainerSpec,
  options: ContainersOptions,
  host: Pick<HostFacts, 'cgroupVersion'>,
): ContainerSpec {
  const { security } = spec;
  const { shmSize = 0, ipcMode = '', cgroupnsMode = '' } = options;
  return {
    ...spec,
    security: {
      ...security,
      shmSize: security.shmSize > 0 ? security.shmSize : shmSize,
      ipcMode: security.ipcMode === '' ? ipcMode : security.ipcMode,
      cgroupnsMode:
        security.cgroupnsMode === '' ? cgroupnsDefault(security, cgroupnsMode, host) : security.cgroupnsMode,
      securityOpt: [...security.securityOpt, ...defaultSecurityOptions(security, options)],
    },
  };
}

/** A namespace of its own on v2; on v1 the host's, and a privileged container has that whatever the daemon was told. */
function cgroupnsDefault(
  { privileged }: ContainerSpec['security'],
  configured: string,
  { cgroupVersion }: Pick<HostFacts, 'cgroupVersion'>,
): string {
  if (privileged && cgroupVersion === 1) return 'host';
  return configured || (cgroupVersion === 2 ? 'private' : 'host');
}

function defaultSecurityOptions(
  { securityOpt, privileged }: ContainerSpec['security'],
  { noNewPrivileges = false, seccompProfile }: ContainersOptions,
): string[] {
  const says = (key: string): boolean => securityOpt.some((option) => option.split(/[=:]/)[0] === key);
  return [
    ...(noNewPrivileges && !says('no-new-privileges') ? ['no-new-privileges'] : []),
    ...(seccompProfile !== undefined && !privileged && !says('seccomp')
      ? [`seccomp=${profileOf(seccompProfile)}`]
      : []),
  ];
}

/** `unconfined` and `builtin` are names, everything else is a file of JSON. */
function profileOf(profile: string): string {
  if (profile === 'unconfined' || profile === 'builtin') return profile;
  try {
    return readFileSync(profile, 'utf8');
  } catch (error) {
    throw invalid('seccomp_profile', `opening seccomp profile (${profile}) failed`, error);
  }
}
