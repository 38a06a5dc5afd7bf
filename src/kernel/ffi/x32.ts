import { readFileSync } from 'node:fs';
import { libc } from './libc.ts';

const X32_SYSCALL_BIT = 0x40000000;
const GETPID = 39;

/**
 * Does this kernel run programs of the x32 ABI (64-bit registers, 32-bit pointers)? Few do: it is an option of the build,
 * and mostly of the boot line too. True where the question cannot be asked.
 */
export function servesX32(): boolean {
  if (process.arch !== 'x64') return false;
  // A filter on ourselves that does not know the ABI would end this process for asking.
  if (!/^Seccomp:\s+0$/m.test(readFileSync('/proc/self/status', 'utf8'))) return true;
  // Safe: a call without arguments and without effect; a kernel that lacks it answers ENOSYS.
  return libc().syscall(X32_SYSCALL_BIT | GETPID, 0, null, 0) > 0;
}
