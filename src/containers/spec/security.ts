import { invalid } from '../../base/index.ts';
import type { SecurityOptions } from '../options.ts';

export interface SecuritySettings {
  readonly noNewPrivileges: boolean;
  /** `unconfined`, `builtin` or a profile in JSON; absent: the default. */
  readonly seccomp?: string;
  readonly apparmor?: string;
  /** `systempaths=unconfined` */
  readonly unmasked: boolean;
}

/** `--security-opt`, in both spellings (`key=value`, `key:value`). Throws with Docker's texts. */
export function parseSecurityOptions(options: Pick<SecurityOptions, 'securityOpt'>): SecuritySettings {
  let noNewPrivileges = false;
  let unmasked = false;
  let seccomp: string | undefined;
  let apparmor: string | undefined;
  for (const option of options.securityOpt) {
    const parts = /^([a-z-]+)(?:[=:](.*))?$/s.exec(option);
    const value = parts?.[2];
    switch (parts?.[1]) {
      case 'no-new-privileges':
        noNewPrivileges = value === undefined || value === 'true';
        break;
      case 'seccomp':
        seccomp = profile(value ?? '');
        break;
      case 'apparmor':
        apparmor = value === 'unconfined' ? undefined : value;
        break;
      case 'systempaths':
        unmasked = value === 'unconfined';
        break;
      case 'label':
      case 'writable-cgroups':
        break;
      default:
        throw invalid('invalid_security_option', `invalid --security-opt 2: "${option}"`);
    }
  }
  return {
    noNewPrivileges,
    unmasked,
    ...(seccomp !== undefined && { seccomp }),
    ...(apparmor !== undefined && { apparmor }),
  };
}

function profile(value: string): string {
  if (value === 'unconfined' || value === 'builtin') return value;
  try {
    JSON.parse(value);
    return value;
  } catch (error) {
    throw invalid('invalid_seccomp', 'Decoding seccomp profile failed: it is not JSON', error);
  }
}
