// What Node's own `fs` lacks: named pipes, device nodes, pipes between descriptors, extended attributes, modes without
// following links, why a folder cannot be made, and which process a number means. It opens nothing that it was not asked
// for and keeps no descriptor.
export * from './fifo.ts';
export * from './folder.ts';
export * from './mode.ts';
export * from './process.ts';
export * from './xattr.ts';
