// What orchestration does to the machine by itself: namespaces of sandboxes and their default routes, and a look at the
// subnets the host is on. Behind an interface, so that everything else is tested without a kernel. It must not make links:
// drivers do.
export * from './host.ts';
export * from './kernel-host.ts';
