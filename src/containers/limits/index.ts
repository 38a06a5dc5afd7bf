// Limits of resources: what this machine's control groups can enforce, what may be asked of them, and how the runtime is
// told. Reads the host; sets nothing.
export * from './abilities.ts';
export * from './device-number.ts';
export * from './forgotten-groups.ts';
export * from './resources.ts';
export * from './update.ts';
export * from './verify.ts';
