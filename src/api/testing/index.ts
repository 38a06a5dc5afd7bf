// An engine in memory and the API in front of it, for the tests of api/. Touches a folder under the temporary directory only.
export { RawConnection, send, type TestRequest } from './client.ts';
export type { FakeContainers, FakeProcess } from './containers.ts';
export { FACTS, startFakeEngine } from './engine.ts';
export { fakeEndpoint, fakeImage, fakeNetwork, fakeView } from './views.ts';
