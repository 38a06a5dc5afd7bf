// HTTP as registries need it: streams both ways, certificates for each host, proxies, connections that are kept, and limits
// on silence and on the size of answers. Knows nothing of registries.

export { drain, readBody } from './body.ts';
export { HttpClient, type HttpClientOptions, type HttpRequest, type HttpResponse, isDropped } from './client.ts';
export { type ProxySettings, proxyFor } from './proxies.ts';
