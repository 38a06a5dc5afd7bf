import { ClusterCalls } from './cluster.ts';
import { Containers } from './containers.ts';
import { Execs } from './execs.ts';
import { Images } from './images.ts';
import { Networks } from './networks.ts';
import { Session, type SessionOptions } from './session.ts';
import { System } from './system.ts';
import { Volumes } from './volumes.ts';

/** A typed client of the Engine API. Opens nothing until the first call; `close` lets the process end. */
export class Client {
  readonly session: Session;
  readonly cluster: ClusterCalls;
  readonly containers: Containers;
  readonly execs: Execs;
  readonly images: Images;
  readonly networks: Networks;
  readonly system: System;
  readonly volumes: Volumes;

  /** `host` is `unix:///path` or `tcp://host:port`. */
  constructor(host: string, options: SessionOptions = {}) {
    this.session = new Session(host, options);
    this.cluster = new ClusterCalls(this.session);
    this.containers = new Containers(this.session);
    this.execs = new Execs(this.session);
    this.images = new Images(this.session);
    this.networks = new Networks(this.session);
    this.system = new System(this.session);
    this.volumes = new Volumes(this.session);
  }

  close(): void {
    this.session.close();
  }
}
