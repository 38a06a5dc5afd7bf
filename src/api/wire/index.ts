// What clients send: schemas of request bodies, and the step from them to typed requests. Everything is parsed and judged
// here once; nothing below `api/` sees a member of a wire object. Calls nothing.
export * from './cluster.ts';
export * from './container-create.ts';
export { type CreateRequest, normalizeMode, parseCreate, parseResources, parseRestart } from './container-spec.ts';
export { assertAllowedOn, parseEndpoint } from './endpoint.ts';
export * from './fields.ts';
export * from './network-create.ts';
export { parseBindings, parseExposed, parsePort } from './ports.ts';
export { validateRestart } from './validate.ts';
export { VolumeCreateBody } from './volume-create.ts';
