// How containerd is spoken to: one gRPC channel over its unix socket, the parsed .proto files, and the translation of
// its status codes into our errors. Knows no service and no meaning of a message; nothing outside the containerd folder
// imports it.
export * from './channel.ts';
export * from './convert.ts';
export * from './errors.ts';
export * from './schema.ts';
