// The table of all commands: groups first, then the short spellings that stand alone. An entry loads its file only
// when it is used. A spelling that means the same command is the same entry, and help finds it by that.
import type { Tree } from '../grammar/index.ts';
import { cluster } from './cluster/index.ts';
import { containers } from './containers/index.ts';
import { image } from './image/index.ts';
import { lifecycle } from './lifecycle/index.ts';
import { network } from './network/index.ts';
import { program, reconciling, system } from './system/index.ts';
import { volume } from './volume/index.ts';

const { prune: _containerPrune, ...alone } = lifecycle;
const { inspect: _containerInspect, ls: ps, ...reached } = containers;

export const TREE: Tree = {
  cluster: { short: 'Manage the hosts that share networks', commands: cluster },
  container: { short: 'Manage containers', commands: { ...containers, ...lifecycle } },
  image: { short: 'Manage images', commands: image },
  network: { short: 'Manage networks', commands: network },
  system: { short: 'Manage Fairway', commands: system },
  volume: { short: 'Manage volumes', commands: volume },
  ...alone,
  ...reached,
  ps,
  images: image.ls,
  rmi: image.rm,
  history: image.history,
  import: image.import,
  load: image.load,
  save: image.save,
  tag: image.tag,
  pull: image.pull,
  push: image.push,
  events: system.events,
  info: system.info,
  ...reconciling,
  ...program,
};
