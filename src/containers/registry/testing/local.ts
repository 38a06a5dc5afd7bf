import { ImageStore, type Manifest, MEDIA_TYPE, type ProgressMessage } from '../../images/index.ts';
import { configOf, FakeEngine, tarOf } from '../../images/testing/index.ts';
import { Registry } from '../registry.ts';
import { type FakeRegistry, impatient } from './fake-registry.ts';

const PLATFORM = { os: 'linux', architecture: 'amd64' };

/** An engine in memory and a registry client beside it; `pull` asks `host`. */
export function localSide(host: string, options: ConstructorParameters<typeof Registry>[1] = {}) {
  const engine = new FakeEngine();
  const store = new ImageStore({ engine }, { platform: PLATFORM });
  const registry = new Registry({ engine, store, clock: impatient }, options);
  const messages: ProgressMessage[] = [];
  const pull = async (name: string, how: Parameters<Registry['pull']>[1] = {}): Promise<string> => {
    const progress = (message: ProgressMessage): number => messages.push(message);
    await registry.pull(`${host}/${name}`, { platform: 'linux/amd64', progress, ...how });
    return (await store.get(`${host}/${name}`)).id;
  };
  return { engine, store, registry, messages, pull };
}

/** Publishes an image of these layers; the answer is its manifest. */
export async function publish(remote: FakeRegistry, names: readonly string[], ...texts: string[]) {
  const layers = await Promise.all(texts.map((data) => tarOf([{ name: 'file', data }])));
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: { mediaType: MEDIA_TYPE.ociConfig, ...remote.put(configOf({ layers })) },
    layers: layers.map((layer) => ({ mediaType: MEDIA_TYPE.ociLayer, ...remote.put(layer) })),
  };
  return { manifest, ...remote.putManifest(names, manifest, MEDIA_TYPE.ociManifest) };
}
