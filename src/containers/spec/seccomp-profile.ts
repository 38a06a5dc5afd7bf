import { arch, release } from 'node:os';
import * as v from 'valibot';
import { invalid, messageOf } from '../../base/index.ts';

const texts = v.optional(v.nullable(v.array(v.string())));

const Condition = v.optional(
  v.nullable(v.object({ caps: texts, arches: texts, minKernel: v.optional(v.string(), '') })),
);

const Profile = v.object({
  defaultAction: v.string(),
  defaultErrnoRet: v.optional(v.number()),
  architectures: texts,
  archMap: v.optional(v.nullable(v.array(v.object({ architecture: v.string(), subArchitectures: texts })))),
  flags: texts,
  listenerPath: v.optional(v.string()),
  listenerMetadata: v.optional(v.string()),
  syscalls: v.optional(
    v.nullable(
      v.array(
        v.object({
          name: v.optional(v.string(), ''),
          names: texts,
          action: v.string(),
          errnoRet: v.optional(v.number()),
          args: v.optional(v.nullable(v.array(v.record(v.string(), v.unknown())))),
          includes: Condition,
          excludes: Condition,
        }),
      ),
    ),
    [],
  ),
});

/** For whom a profile is read. */
export interface SeccompSubject {
  readonly capabilities: readonly string[];
  /** Go's name of the machine: `amd64`. */
  readonly architecture?: string;
  /** `6.1` */
  readonly kernel?: string;
}

const GO_NAMES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
const SECCOMP_NAMES: Readonly<Record<string, string>> = { amd64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' };

/** A profile in Docker's format, whose rules may hang on capabilities, machine and kernel, as the runtime takes it. */
export function parseSeccompProfile(text: string, subject: SeccompSubject): object {
  const profile = read(text);
  const architecture = subject.architecture ?? GO_NAMES[arch()] ?? arch();
  const host = { ...subject, architecture, kernel: subject.kernel ?? release() };
  if (profile.architectures?.length && profile.archMap?.length) {
    throw invalid(
      'invalid_seccomp',
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  const mapped = profile.archMap?.find((one) => one.architecture === SECCOMP_NAMES[architecture]);
  const architectures = mapped
    ? [mapped.architecture, ...(mapped.subArchitectures ?? [])]
    : (profile.architectures ?? []);
  const syscalls = (profile.syscalls ?? []).flatMap((rule) => {
    if (rule.name !== '' && rule.names?.length) {
      throw invalid(
        'invalid_seccomp',
        "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
      );
    }
    if (!applies(rule.includes, rule.excludes, host)) return [];
    return [
      {
        names: rule.name === '' ? (rule.names ?? []) : [rule.name],
        action: rule.action,
        ...(rule.errnoRet !== undefined && { errnoRet: rule.errnoRet }),
        ...(rule.args?.length && { args: rule.args }),
      },
    ];
  });
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet !== undefined && { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures.length > 0 && { architectures }),
    ...(profile.flags?.length && { flags: profile.flags }),
    ...(profile.listenerPath && { listenerPath: profile.listenerPath }),
    ...(profile.listenerMetadata && { listenerMetadata: profile.listenerMetadata }),
    syscalls,
  };
}

function read(text: string): v.InferOutput<typeof Profile> {
  try {
    return v.parse(Profile, JSON.parse(text));
  } catch (error) {
    throw invalid('invalid_seccomp', `Decoding seccomp profile failed: ${messageOf(error)}`, error);
  }
}

type Condition = v.InferOutput<typeof Condition>;

function applies(includes: Condition, excludes: Condition, host: Required<SeccompSubject>): boolean {
  const hasAll = (caps: readonly string[]): boolean => caps.every((name) => host.capabilities.includes(name));
  if (includes?.arches?.length && !includes.arches.includes(host.architecture)) return false;
  if (includes?.caps?.length && !hasAll(includes.caps)) return false;
  if (includes?.minKernel && !isAtLeast(host.kernel, includes.minKernel)) return false;
  if (excludes?.arches?.includes(host.architecture)) return false;
  if (excludes?.caps?.some((name) => host.capabilities.includes(name))) return false;
  return !(excludes?.minKernel && isAtLeast(host.kernel, excludes.minKernel));
}

function isAtLeast(kernel: string, wanted: string): boolean {
  const parts = (text: string): readonly [number, number] => {
    const found = /^(\d+)\.(\d+)/.exec(text);
    return [Number(found?.[1] ?? 0), Number(found?.[2] ?? 0)];
  };
  const [major, minor] = parts(kernel);
  const [wantedMajor, wantedMinor] = parts(wanted);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
