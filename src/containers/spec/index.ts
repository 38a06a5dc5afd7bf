// The OCI runtime specification of a container, from its record: capabilities, seccomp, devices, limits, namespaces,
// mounts, user. Looks at the host and into the image's files; changes nothing.
export * from './build.ts';
export * from './capabilities.ts';
export { withDaemonDefaults } from './daemon-defaults.ts';
export * from './devices.ts';
export * from './exec.ts';
export * from './host-facts.ts';
export { initProgram } from './init-program.ts';
export * from './rootfs.ts';
export * from './seccomp.ts';
export * from './security.ts';
export * from './user.ts';
