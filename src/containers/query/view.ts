import type { Sandboxes } from '../../network/contract.ts';
import type { ContainerView } from '../contract.ts';
import { type ContainersOptions, logPath } from '../engine.ts';
import type { IoHub } from '../io/index.ts';
import type { Container } from '../records/index.ts';
import type { Wiring } from '../wiring/index.ts';

export interface ViewDeps {
  readonly sandboxes: Sandboxes;
  readonly wiring: Wiring;
  readonly io: Pick<IoHub, 'driverOf'>;
}

/** A container as the API shows it, from its record and the live state of its sandbox. */
export function viewOf(
  container: Container,
  deps: ViewDeps,
  options: Pick<ContainersOptions, 'dataRoot'>,
): ContainerView {
  const { record } = container;
  const sandbox = record.sandboxId === undefined ? undefined : deps.sandboxes.get(record.sandboxId);
  const { hosts, hostname, resolvConf } = deps.wiring.pathsOf(container);
  const driver = deps.io.driverOf(container);
  return {
    id: record.id,
    name: record.name,
    created: record.created,
    spec: record.spec,
    imageId: record.imageId,
    effective: record.effective,
    state: { ...record.state, ...(container.health && { health: container.health }) },
    networks: record.networks,
    ...(sandbox && { sandbox }),
    endpoints: deps.wiring.endpointsOf(container),
    published: sandbox?.ports.published ?? [],
    mounts: record.mounts,
    execIds: [...container.execIds],
    paths: {
      resolvConf,
      hostname,
      hosts,
      log: driver === 'none' ? '' : logPath(options, record.id, driver),
    },
  };
}
