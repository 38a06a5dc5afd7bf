import { invalid } from '../../base/index.ts';
import type { SecurityOptions } from '../options.ts';
import { parseSeccompProfile } from './seccomp-profile.ts';

export interface SecuritySettings {
  readonly noNewPrivileges: boolean;
  /** `unconfined`, `builtin` or a profile in JSON; absent: the default. */
  readonly seccomp?: string;
  readonly apparmor?: string;
  /** `systempaths=unconfined` */
  readonly unmasked: boolean;
  /** The control groups' file system may be written to. */
  readonly writableCgroups: boolean;
}

/** `--security-opt`, in both spellings (`key=value`, `key:value`). Throws with Docker's texts. */
export function parseSecurityOptions(options: Pick<SecurityOptions, 'securityOpt'>): SecuritySettings {
  const settings: { -readonly [key in keyof SecuritySettings]: SecuritySettings[key] } = {
    noNewPrivileges: false,
    unmasked: false,
    writableCgroups: false,
  };
  for (const option of options.securityOpt) {
    const separator = option.includes('=') ? '=' : ':';
    const at = option.indexOf(separator);
    const key = at < 0 ? option : option.slice(0, at);
    const value = at < 0 ? undefined : option.slice(at + 1);
    if (value === undefined && !STANDALONE.includes(key)) {
      throw invalid('invalid_security_option', `invalid --security-opt 1: ${JSON.stringify(option)}`);
    }
    switch (key) {
      case 'no-new-privileges':
        settings.noNewPrivileges = truth(option, value);
        break;
      case 'writable-cgroups':
        settings.writableCgroups = truth(option, value);
        break;
      case 'seccomp':
        settings.seccomp = profile(value ?? '');
        break;
      case 'apparmor':
        settings.apparmor = value ?? '';
        break;
      case 'systempaths':
        settings.unmasked = value === 'unconfined';
        break;
      // SELinux's, which has no say without it.
      case 'disable':
      case 'label':
        break;
      default:
        throw bad(option);
    }
  }
  return settings;
}

const STANDALONE = ['no-new-privileges', 'writable-cgroups', 'disable'];

function bad(option: string): Error {
  return invalid('invalid_security_option', `invalid --security-opt 2: ${JSON.stringify(option)}`);
}

/** Go's words for true and false; none at all means true. */
function truth(option: string, value: string | undefined): boolean {
  if (value === undefined || ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw bad(option);
}

/** Read once here, so that a broken one is refused before anything is made. */
function profile(value: string): string {
  if (value !== 'unconfined' && value !== 'builtin') parseSeccompProfile(value, { capabilities: [] });
  return value;
}
