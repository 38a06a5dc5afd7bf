// What Node's own `fs` lacks: named pipes, device nodes, pipes between descriptors, extended attributes, modes without
// following links. It opens nothing that it was not asked for and keeps no descriptor.
export * from './fifo.ts';
export * from './mode.ts';
export * from './xattr.ts';
