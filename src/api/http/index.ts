// HTTP as Docker's clients speak it: versions, routing, bodies, streamed answers, and connections that stop being HTTP
// (attach, exec). Serves any route table; must not know what the routes do.
export { check, JSON_LIMIT, readBody } from './body.ts';
export { HttpError, wireError } from './errors.ts';
export * from './query.ts';
export * from './route.ts';
export { HttpApi, type HttpApiOptions } from './server.ts';
export { frame, STREAM_STDERR, STREAM_STDOUT } from './stdcopy.ts';
export { MAX_VERSION, MIN_VERSION, versionText } from './version.ts';
