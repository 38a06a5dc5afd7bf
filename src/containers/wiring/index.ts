// Between containers and networks: which sandbox a container has or shares, what it is attached to, what it is called
// there, legacy links. All addresses, links and rules are the network layer's.
export * from './links.ts';
export * from './validate.ts';
export * from './wiring.ts';
