import type { VolumeView } from '../../containers/contract.ts';

export function encodeVolume(volume: VolumeView, usage?: { readonly size: number; readonly refCount: number }) {
  return {
    CreatedAt: volume.created,
    Driver: volume.driver,
    Labels: Object.keys(volume.labels).length > 0 ? volume.labels : null,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: Object.keys(volume.options).length > 0 ? volume.options : null,
    Scope: 'local',
    ...(usage ? { UsageData: { Size: usage.size, RefCount: usage.refCount } } : {}),
  };
}
export type VolumeWire = ReturnType<typeof encodeVolume>;
