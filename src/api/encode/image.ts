import { rfc3339Nano } from '../../base/index.ts';
import { createdAt, type HistoryItem, type ImageSummary } from '../../containers/images/index.ts';
import { NEVER } from './human.ts';

/** One element of `GET /images/json`. */
export function encodeImageSummary({ image, size }: ImageSummary, version: number) {
  const none = version < 43 && image.repoTags.length === 0;
  return {
    Containers: -1,
    Created: Math.floor(createdAt(image) / 1000),
    Id: image.id,
    Labels: image.config.Labels ?? null,
    ParentId: '',
    RepoDigests: version < 43 && image.repoDigests.length === 0 && none ? ['<none>@<none>'] : image.repoDigests,
    RepoTags: none ? ['<none>:<none>'] : image.repoTags,
    SharedSize: -1,
    Size: size,
    ...(version < 44 ? { VirtualSize: size } : {}),
  };
}
export type ImageSummaryWire = ReturnType<typeof encodeImageSummary>;

/** `GET /images/{name}/json`. */
export function encodeImage({ image, size }: ImageSummary, options: { version: number; storageDriver: string }) {
  const { version, storageDriver } = options;
  return {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    ...(version < 52 ? { Parent: '' } : {}),
    Comment: image.comment,
    Created: image.created || NEVER,
    ...(version < 45 ? { Container: '' } : {}),
    // Docker dropped it with 1.45; docker-compose 1.29, which speaks the newest version there is, dies of that when it recreates.
    ContainerConfig: configOf(image.config),
    DockerVersion: image.dockerVersion,
    Author: image.author,
    Config: configOf(image.config),
    Architecture: image.architecture,
    ...(image.variant ? { Variant: image.variant } : {}),
    Os: image.os,
    Size: size,
    ...(version < 44 ? { VirtualSize: size } : {}),
    GraphDriver: { Data: null, Name: storageDriver },
    RootFS: { Type: 'layers', Layers: image.diffIds },
    Metadata: { LastTagTime: image.lastTaggedAt > 0n ? rfc3339Nano(image.lastTaggedAt) : NEVER },
  };
}
export type ImageWire = ReturnType<typeof encodeImage>;

function configOf(config: ImageSummary['image']['config']) {
  return {
    Hostname: '',
    Domainname: '',
    User: config.User ?? '',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(config.ExposedPorts ? { ExposedPorts: config.ExposedPorts } : {}),
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: config.Env ?? null,
    Cmd: config.Cmd ?? null,
    ...(config.Healthcheck ? { Healthcheck: config.Healthcheck } : {}),
    Image: '',
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? '',
    Entrypoint: config.Entrypoint ?? null,
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ?? null,
    ...(config.StopSignal ? { StopSignal: config.StopSignal } : {}),
    ...(config.Shell ? { Shell: config.Shell } : {}),
  };
}

export function encodeHistory(item: HistoryItem) {
  return {
    Comment: item.comment,
    Created: item.created,
    CreatedBy: item.createdBy,
    Id: item.id,
    Size: item.size,
    Tags: item.tags,
  };
}
