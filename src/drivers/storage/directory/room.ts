/** What volumes and images of one directory pool share: places, tools, locks, and the proof that the pool's disk is really there. */
import type { ReasonedError as Reasoned } from '../../../base/outcome.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { World } from '../../../base/world.ts';
import { createGroupRun, createKeyedLock, type KeyedLock } from '../locks.ts';
import { type Layout, layoutOf } from './layout.ts';
import { readArrivalRecord } from './records.ts';
import { createTools, type Tools } from './tools.ts';

export type PoolRoom = {
  name: string;
  world: World;
  layout: Layout;
  tools: Tools;
  lock: KeyedLock;
  /** Everything written so far is on disk when this resolves; callers share one flush. */
  flush(): Promise<void>;
  /** A fresh path for something half-made. */
  partialPath(name: string): string;
  /** Throws ReasonedError PoolMissing when the pool's marker is gone: an unmounted disk must not look like an empty pool. */
  checkPresent(): Promise<void>;
};

/** Opens the directory: makes what is missing, checks the marker, and removes what a crash left half-done. */
export async function openRoom(world: World, name: string, path: string): Promise<PoolRoom> {
  const layout = layoutOf(path);
  const tools = createTools(world, name);
  await world.files.makeDirectory(path);
  await claim(world, layout, name);
  for (const directory of [layout.volumes, layout.images, layout.staging, layout.partial, layout.arriving]) {
    await world.files.makeDirectory(directory, { mode: 0o700 });
  }
  const room: PoolRoom = {
    name,
    world,
    layout,
    tools,
    lock: createKeyedLock(),
    flush: createGroupRun(async () => {
      await tools.run(['sync', '-f', layout.root]);
    }),
    partialPath: (thing) =>
      `${layout.partial}/${thing}.${Buffer.from(world.random.bytes(6)).toString('hex')}`,
    checkPresent: async () => {
      if ((await markedName(world, layout)) !== name) throw poolMissing(name, path);
    },
  };
  await clean(room);
  return room;
}

/** The error for a pool whose directory is not the one that was opened. */
export function poolMissing(name: string, path: string): Reasoned {
  return new ReasonedError(
    'PoolMissing',
    `${path} does not hold the pool ${name} any more; mount its file system or restore its pool.json`,
    { stalled: true },
  );
}

async function claim(world: World, layout: Layout, name: string): Promise<void> {
  const owner = await markedName(world, layout);
  if (owner === name) return;
  if (owner !== undefined) {
    throw new ReasonedError('PoolInUse', `${layout.root} belongs to the pool ${owner}; choose another path`, {
      stalled: true,
    });
  }
  await world.files.writeAtomic(layout.marker, `${JSON.stringify({ type: 'Directory', name })}\n`);
}

async function markedName(world: World, layout: Layout): Promise<string | undefined> {
  const text = await world.files.readText(layout.marker);
  if (text === undefined) return undefined;
  const marker: unknown = parsed(text);
  return typeof marker === 'object' && marker !== null && 'name' in marker
    ? String(marker.name)
    : '(unreadable)';
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

/** A leftover that cannot be removed is never visible, so it must not keep the pool from opening. */
async function clean(room: PoolRoom): Promise<void> {
  for (const path of await leftovers(room)) {
    await room.tools.removeTree(path).catch((error: unknown) => {
      room.world.log.warn('a leftover of a crash cannot be removed', { path, error: String(error) });
    });
  }
}
