/**
 * Where a directory pool keeps what. A volume or an image is a directory of its own with its record inside, so that one rename makes it
 * visible or takes it away. All is below directories of mode 0700: container roots hold set-uid programs with the host's own ids.
 */
import { checkedName } from '../names.ts';

export type Layout = {
  root: string;
  marker: string;
  volumes: string;
  images: string;
  /** Whole archives of guests. */
  archives: string;
  /** Images being made; emptied at open. */
  staging: string;
  /** Half-made and half-removed things; emptied at open. */
  partial: string;
  /** Volumes that come from other hosts, until they are whole. They outlive restarts: the second copy is short because of the first. */
  arriving: string;
  /** Volumes that are being rolled back, one file each: a crash in that is finished, never forgotten. */
  rollbacks: string;
  /** One file for each rollback of several volumes that has begun, until each of them has its own. */
  rollbackSets: string;
  /** What volumes are to hold one day, by volume and name: whole. */
  prepared: string;
  /** What is on its way into the place of a volume: a crash in that is finished, never forgotten. */
  replacing: string;
  /** One file for each swap under way, with the volumes that change together. */
  swaps: string;
  volume(id: string): string;
  rollback(id: string): string;
  rollbackSet(name: string): string;
  arrival(id: string): string;
  /** Of one volume, each under its name. */
  preparedFor(id: string): string;
  replacement(id: string): string;
  swap(name: string): string;
  image(name: string): string;
  stage(name: string): string;
};

/** The layout below `root`; names are checked. `sharedBy`: what this host has half-made lies apart from what others have. */
export function layoutOf(root: string, sharedBy?: string): Layout {
  const own = sharedBy === undefined ? '' : `/${checkedName(sharedBy)}`;
  const volumes = `${root}/volumes`;
  const images = `${root}/images`;
  const archives = `${root}/archives`;
  const staging = `${root}/.staging${own}`;
  const arriving = `${root}/.arriving`;
  const rollbacks = `${root}/.rollbacks`;
  const rollbackSets = `${root}/.rollback-sets`;
  const prepared = `${root}/.prepared`;
  const replacing = `${root}/.replacing`;
  const swaps = `${root}/.swaps`;
  return {
    root,
    marker: `${root}/pool.json`,
    volumes,
    images,
    archives,
    staging,
    partial: `${root}/.partial${own}`,
    arriving,
    rollbacks,
    rollbackSets,
    prepared,
    replacing,
    swaps,
    swap: (name) => `${swaps}/${checkedName(name)}`,
    preparedFor: (id) => `${prepared}/${checkedName(id)}`,
    replacement: (id) => `${replacing}/${checkedName(id)}`,
    rollback: (id) => `${rollbacks}/${checkedName(id)}`,
    rollbackSet: (name) => `${rollbackSets}/${checkedName(name)}`,
    arrival: (id) => `${arriving}/${checkedName(id)}`,
    volume: (id) => `${volumes}/${checkedName(id)}`,
    image: (name) => `${images}/${checkedName(name)}`,
    stage: (name) => `${staging}/${checkedName(name)}`,
  };
}

export const rootfsName = 'rootfs';

/** The file of a disk inside its directory. */
export function diskName(format: 'raw' | 'qcow2'): string {
  return `disk.${format}`;
}

/** Name of a volume's data inside its directory. */
export function dataName({ format }: { format: 'raw' | 'qcow2' | 'directory' }): string {
  return format === 'directory' ? rootfsName : diskName(format);
}
