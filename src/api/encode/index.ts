// What clients receive: views of the engine turned into Docker's JSON, with the members each API version has. Pure; asks
// nothing and changes nothing.
export { type ContainerSummaryWire, type ContainerWire, encodeContainer, encodeSummary } from './container.ts';
export { encodeEvent } from './event.ts';
export { humanDuration, statusText } from './human.ts';
export { encodeHistory, encodeImage, encodeImageSummary, type ImageSummaryWire, type ImageWire } from './image.ts';
export { encodeNetwork, type NetworkWire, PREDEFINED } from './network.ts';
export { encodeStats } from './stats.ts';
export { encodeVolume, type VolumeWire } from './volume.ts';
