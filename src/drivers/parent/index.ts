// The link of the host that macvlan and ipvlan networks stand on: named by option, made when it is a VLAN or nobody named
// one, removed with its last user. It must not touch a link that it did not make.
export { userGateways } from './gateways.ts';
export { type ParentOptions, parseParent, vlanOf } from './options.ts';
export { ParentLinks } from './parent-links.ts';
