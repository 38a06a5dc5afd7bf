import type { ApiDeps } from './deps.ts';
import {
  absentRoutes,
  clusterRoutes,
  containerRoutes,
  eventRoutes,
  execRoutes,
  fileRoutes,
  imageRoutes,
  networkRoutes,
  reconcilingRoutes,
  streamRoutes,
  systemRoutes,
  volumeRoutes,
} from './handlers/index.ts';
import { HttpApi, type Route } from './http/index.ts';

export interface ApiServerOptions {
  /** For the Server header. */
  readonly version: string;
  readonly experimental?: boolean;
  readonly headerTimeoutMs?: number;
}

/** Every route of the API. The first that fits a request answers it. */
export function apiRoutes(deps: ApiDeps): readonly Route[] {
  return [
    ...reconcilingRoutes(deps),
    ...clusterRoutes(deps),
    ...systemRoutes(deps),
    ...eventRoutes(deps),
    ...containerRoutes(deps),
    ...streamRoutes(deps),
    ...execRoutes(deps),
    ...fileRoutes(deps),
    ...imageRoutes(deps),
    ...networkRoutes(deps),
    ...volumeRoutes(deps),
    ...absentRoutes(deps),
  ];
}

/** The Docker Engine API on connections that the daemon's listeners accept. */
export function createApiServer(deps: ApiDeps, options: ApiServerOptions): HttpApi {
  return new HttpApi(apiRoutes(deps), {
    productVersion: options.version,
    ...(options.experimental === undefined ? {} : { experimental: options.experimental }),
    ...(options.headerTimeoutMs === undefined ? {} : { headerTimeoutMs: options.headerTimeoutMs }),
    ...(deps.log ? { log: deps.log } : {}),
  });
}
