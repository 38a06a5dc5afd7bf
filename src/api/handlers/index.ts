// One file for each resource: a handler decodes, makes one call into the engine, encodes.
// No rules of the engine live here, and nothing is remembered between two requests.
export { absentRoutes } from './absent.ts';
export { clusterRoutes } from './cluster.ts';
export { containerRoutes } from './containers.ts';
export { eventRoutes } from './events.ts';
export { type ExecWire, execRoutes } from './exec.ts';
export { fileRoutes } from './files.ts';
export { imageRoutes } from './images.ts';
export { networkRoutes } from './networks.ts';
export { reconcilingRoutes } from './reconciling.ts';
export { streamRoutes } from './streams.ts';
export { systemRoutes } from './system.ts';
export { volumeRoutes } from './volumes.ts';
