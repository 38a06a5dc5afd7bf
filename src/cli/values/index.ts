// The little languages that flag values are written in: ports, mounts, networks, sizes, durations, pairs, filters.
// Each parser is pure (files named by a flag apart) and throws a plain Error whose text the grammar puts behind the
// flag's name. Nothing here talks to the daemon.
export { parseBytes, parseCpus, parseDuration, parseMoment, parseSwap } from './amounts.ts';
export { parseDeviceBytes, parseDeviceCount, parseDeviceWeight } from './block-devices.ts';
export { parseFilters } from './filters.ts';
export { type ImageName, parseImageName } from './image-name.ts';
export { parseMount, parseVolumes, type VolumeFlags } from './mount.ts';
export { type Attachment, isUserDefined, type Networking, networking, parseAttachment } from './network.ts';
export { checkPair, checkVariable, type Environment, environment, labels, parsePairs } from './pairs.ts';
export { type PublishedPorts, parseExposed, parsePublished } from './ports.ts';
export {
  checkDns,
  checkLink,
  checkMac,
  parseDevice,
  parseExtraHost,
  parseRestart,
  parseTmpfs,
  parseUlimit,
} from './resources.ts';
