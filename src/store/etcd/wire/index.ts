// How etcd is spoken to: the parsed .proto file, a gRPC connection for each member, and what its status codes mean. Knows
// nothing of retries, watches or records.
export * from './failure.ts';
export * from './members.ts';
export type * from './messages.ts';
export * from './schema.ts';
