import { readFileSync } from 'node:fs';
import { messageOf } from '../../base/index.ts';
import type { HostConfig } from '../../client/index.ts';

/** `--security-opt`: a seccomp profile is read here and travels as its JSON. */
export function securityOptions(
  specs: readonly string[],
): Pick<HostConfig, 'SecurityOpt'> & { MaskedPaths?: readonly string[]; ReadonlyPaths?: readonly string[] } {
  const kept = specs.filter((spec) => spec !== 'systempaths=unconfined').map(expanded);
  const options = { SecurityOpt: kept };
  return kept.length === specs.length ? options : { ...options, MaskedPaths: [], ReadonlyPaths: [] };
}

function expanded(spec: string): string {
  const [name = '', ...rest] = spec.split(/[=:]/);
  const value = spec.slice(name.length + 1);
  if (rest.length === 0 && name !== 'no-new-privileges' && name !== 'disable') {
    throw new Error(`Invalid --security-opt: ${JSON.stringify(spec)}`);
  }
  if (name !== 'seccomp' || value === 'unconfined' || value === 'builtin') return spec;
  try {
    return `seccomp=${JSON.stringify(JSON.parse(readFileSync(value, 'utf8')))}`;
  } catch (error) {
    throw new Error(`opening seccomp profile (${value}) failed: ${messageOf(error)}`);
  }
}
