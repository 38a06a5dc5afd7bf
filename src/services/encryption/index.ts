// Encryption between the nodes of a cluster: ESP in transport mode around the frames of networks that ask for it, keys from a
// ring in the cluster's store. `NodeEncryption` is the service, `CurrentEncryption` that of the cluster of the moment; ring, associations and records are pure. It knows no networks
// but by id, and must not touch what IPsec others have set up: ours carries a mark, and policies are of one port.

export { CurrentEncryption, type CurrentEncryptionDeps } from './current-encryption.ts';
export { type Esp, KernelEsp, type KernelEspOptions, policiesOf, REQID } from './esp.ts';
export { NodeEncryption, type NodeEncryptionDeps, type NodeEncryptionOptions } from './node-encryption.ts';
