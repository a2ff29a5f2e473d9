/** What volumes and images of one directory pool share: places, tools, locks, and the proof that the pool's disk is really there. */
import { dirname } from 'node:path';
import type { Files } from '../../../base/files.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { Admission } from '../../../base/processes.ts';
import type { World } from '../../../base/world.ts';
import type { BtrfsPoolConfig, DirectoryPoolConfig } from '../contract.ts';
import { createGroupRun, createKeyedLock, type KeyedLock } from '../locks.ts';
import { poolMissing } from '../refusals.ts';
import { createBlankDisks, type MakeBlankDisk } from './disks.ts';
import type { Ground } from './ground.ts';
import { type Layout, layoutOf } from './layout.ts';
import { readArrivalRecord } from './records.ts';
import { createTools, type Tools } from './tools.ts';

export type PoolRoom = {
  name: string;
  /** Other hosts use the same directory: locks of this program do not keep them out, renames do. */
  isShared: boolean;
  world: World;
  layout: Layout;
  tools: Tools;
  ground: Ground;
  lock: KeyedLock;
  /**
   * Renames what a guest has or is to have; on disk when it resolves. On shared storage a program does it, which counts as the guest: what such storage
   * keeps waiting is killed with the guest, and does not come about once that runs elsewhere.
   */
  move(from: string, to: string): Promise<void>;
  /** Removes a tree without crossing into mounted file systems: an open guest's files must not go with it. */
  removeTree(path: string): Promise<void>;
  /** What is being removed by now is gone, or cannot be removed, when this resolves. */
  removals(): Promise<void>;
  /** As `removeTree`, beside what goes on: of what nobody sees any more, for which no guest is to wait. What is left goes when the pool is opened. */
  removeLater(path: string): void;
  makeBlankDisk: MakeBlankDisk;
  /** Everything written so far is on disk when this resolves; callers share one flush. */
  flush(): Promise<void>;
  /** A fresh path for something half-made. */
  partialPath(name: string): string;
  /** Throws ReasonedError PoolMissing when the pool's marker is gone: an unmounted disk must not look like an empty pool. */
  checkPresent(): Promise<void>;
};

/** Opens the directory: makes what is missing, checks the marker, and removes what a crash left half-done. */
export async function openRoom(
  world: World,
  config: DirectoryPoolConfig | BtrfsPoolConfig,
  makeGround: (tools: Tools, world: World) => Ground,
  admission?: Admission,
): Promise<PoolRoom> {
  const { name, path } = config;
  const sharedBy = config.type === 'Directory' ? config.sharedBy : undefined;
  const isShared = sharedBy !== undefined;
  const layout = layoutOf(path, sharedBy);
  const tools = createTools(world, name, admission);
  // What many wait for is nobody's: it must not stand still with one guest.
  const common = createTools(world, name);
  const ground = makeGround(tools, world);
  await world.files.makeDirectory(path);
  await ground.check(path);
  await claim(world, layout, { name, isShared, type: config.type });
  const { volumes, images, archives, staging, partial, arriving } = layout;
  const { rollbacks, rollbackSets, prepared, replacing, swaps } = layout;
  const places = [
    volumes,
    images,
    archives,
    staging,
    partial,
    arriving,
    rollbacks,
    rollbackSets,
    prepared,
    replacing,
    swaps,
  ];
  for (const directory of places) {
    await world.files.makeDirectory(directory, { mode: 0o700 });
  }
  const room: PoolRoom = {
    name,
    isShared,
    world,
    layout,
    tools,
    ground,
    ...removing(ground),
    removeLater: (gone) => void removeLeftover(room, gone),
    lock: createKeyedLock(),
    move: isShared ? moving(world.files, tools) : world.files.rename,
    makeBlankDisk: createBlankDisks(world.files, tools),
    flush: createGroupRun(async () => {
      await common.run(['sync', '-f', layout.root]);
    }),
    partialPath: (thing) =>
      `${layout.partial}/${thing}.${Buffer.from(world.random.bytes(6)).toString('hex')}`,
    checkPresent: async () => {
      if ((await readMarker(world, layout))?.name !== name) throw poolMissing(name, path);
    },
  };
  await clean(room);
  return room;
}

function removing(ground: Ground): Pick<PoolRoom, 'removeTree' | 'removals'> {
  const going = new Set<Promise<void>>();
  return {
    removeTree: (path) => {
      const gone = ground.removeTree(path).finally(() => going.delete(gone));
      going.add(gone);
      return gone;
    },
    removals: async () => {
      await Promise.allSettled(going);
    },
  };
}

function moving(files: Files, tools: Tools): PoolRoom['move'] {
  return async (from, to) => {
    await tools.run(['mv', '-T', '--', from, to]);
    for (const directory of new Set([dirname(to), dirname(from)])) await files.sync(directory);
  };
}

/** False when there is nothing to rename (any more). */
export async function renameIfThere(files: Files, from: string, to: string): Promise<boolean> {
  return ifThere(files, from, () => files.rename(from, to));
}

/** As `move`; false when there is nothing to move (any more). */
export async function moveIfThere({ move, world }: PoolRoom, from: string, to: string): Promise<boolean> {
  return ifThere(world.files, from, () => move(from, to));
}

/** Begins a change of volumes, which whoever uses them next finishes: seen with all of `text`, or not at all. */
export async function mark(room: PoolRoom, path: string, text: string): Promise<void> {
  const unseen = room.partialPath('mark');
  await room.world.files.writeAtomic(unseen, text, { mode: 0o600 });
  await room.move(unseen, path);
}

/** Ends it: after a power cut the mark must not be there again, over what the guest has written since. */
export async function unmark({ world: { files } }: PoolRoom, path: string): Promise<void> {
  await files.remove(path);
  await files.sync(dirname(path));
}

async function ifThere(files: Files, from: string, rename: () => Promise<void>): Promise<boolean> {
  try {
    await rename();
    return true;
  } catch (error) {
    if ((await files.stat(from)) === undefined) return false;
    throw error;
  }
}

type Marker = { name: string; isShared: boolean; type: string };

async function claim(world: World, layout: Layout, wanted: Marker): Promise<void> {
  const { name, isShared, type } = wanted;
  const marker = await readMarker(world, layout);
  if (marker !== undefined && marker.name !== name) {
    const message = `${layout.root} belongs to the pool ${marker.name}; choose another path`;
    throw new ReasonedError('PoolInUse', message, { stalled: true });
  }
  if (marker !== undefined && marker.type !== type) {
    const message = `${layout.root} holds a pool of type ${marker.type}; choose another path`;
    throw new ReasonedError('PoolInUse', message, { stalled: true });
  }
  if (marker?.isShared === true && !isShared) {
    const message = `${layout.root} is used by several hosts: a StoragePool with shared: true is needed, or its pool.json without that when no other host has it any more`;
    throw new ReasonedError('PoolInUse', message, { stalled: true });
  }
  if (marker?.isShared === isShared) return;
  const text = JSON.stringify({ type, name, ...(isShared ? { shared: true } : {}) });
  await world.files.writeAtomic(layout.marker, `${text}\n`);
}

async function readMarker(world: World, layout: Layout): Promise<Marker | undefined> {
  const text = await world.files.readText(layout.marker);
  if (text === undefined) return undefined;
  const marker = parsed(text);
  if (typeof marker !== 'object' || marker === null || !('name' in marker))
    return { name: '(unreadable)', isShared: false, type: 'unknown' };
  return {
    name: String(marker.name),
    isShared: 'shared' in marker && marker.shared === true,
    type: 'type' in marker ? String(marker.type) : 'Directory',
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Volumes that are shown, and arrivals without a record, have nothing to wait for in the place where volumes arrive. */
async function forgottenArrivals({ world, layout }: PoolRoom): Promise<string[]> {
  const ids = await world.files.list(layout.arriving);
  const checked = ids.map(async (id) => {
    const place = `${layout.arriving}/${id}`;
    const isWaiting = (await readArrivalRecord(world.files, place)) !== undefined;
    const isShown = (await world.files.stat(`${layout.volumes}/${id}`)) !== undefined;
    return isWaiting && !isShown ? [] : [place];
  });
  return (await Promise.all(checked)).flat();
}

async function leftovers(room: PoolRoom): Promise<string[]> {
  const inside = async (directory: string) =>
    (await room.world.files.list(directory)).map((name) => `${directory}/${name}`);
  const { partial, staging } = room.layout;
  return [...(await inside(partial)), ...(await inside(staging)), ...(await forgottenArrivals(room))];
}

async function clean(room: PoolRoom): Promise<void> {
  for (const path of await leftovers(room)) await removeLeftover(room, path);
}

/** One that cannot be removed is never visible, so it must not keep the pool from opening. */
async function removeLeftover({ world, removeTree }: PoolRoom, path: string): Promise<void> {
  await removeTree(path).catch((error: unknown) => {
    world.log.warn('what nobody uses any more cannot be removed', { path, error: String(error) });
  });
}
