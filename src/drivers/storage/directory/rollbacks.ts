/**
 * Rollbacks that were begun, which whoever uses one of their volumes next finishes. One mark names all volumes of a rollback: once it is there all of them
 * go back. It is spread first, a mark for each volume, for each is finished by itself.
 */
import { ReasonedError } from '../../../base/outcome.ts';
import type { SnapshotKeeper } from './ground.ts';
import { finishSwap, swapsBegun } from './replacing.ts';
import { mark, type PoolRoom, unmark } from './room.ts';

/** From here on these volumes go back to the snapshot; the caller holds their locks. */
export async function beginRollback(room: PoolRoom, ids: readonly string[], snapshot: string): Promise<void> {
  const [first, ...others] = ids;
  if (first === undefined) return;
  if (others.length === 0) return mark(room, room.layout.rollback(first), snapshot);
  const attempt = Buffer.from(room.world.random.bytes(6)).toString('hex');
  await mark(room, room.layout.rollbackSet(`${first}.${attempt}`), JSON.stringify({ snapshot, ids }));
}

/** Ends a rollback or a replacement of this volume that was begun, if there is one; the caller holds the lock of the volume. */
export async function finishRollback(room: PoolRoom, keeper: SnapshotKeeper, id: string): Promise<void> {
  await finishSwap(room, id);
  for (const { name, ids } of await setsBegun(room)) if (ids.includes(id)) await spread(room, name);
  const begun = room.layout.rollback(id);
  const snapshot = await room.world.files.readText(begun);
  if (snapshot === undefined) return;
  await keeper.rollBack(id, snapshot);
  await unmark(room, begun);
}

/**
 * Ends what a crash interrupted; what cannot be ended keeps its volume from being attached, not the pool from opening. What lies on shared
 * storage may be under way on another host: there it is ended by whoever uses the volume next.
 */
export async function finishRollbacks(room: PoolRoom, keeper: SnapshotKeeper): Promise<void> {
  const { files, log } = room.world;
  const { rollbacks, replacing } = room.layout;
  if (room.isShared) return;
  const swaps = await swapsBegun(room);
  const together = [...swaps, ...(await setsBegun(room))].flatMap(({ ids }) => ids);
  const begun = [...(await files.list(rollbacks)), ...(await files.list(replacing)), ...together];
  for (const id of new Set(begun)) {
    await room
      .lock(id, () => finishRollback(room, keeper, id))
      .catch((error: unknown) => {
        log.warn('what was begun with a volume cannot be finished', { volume: id, error: String(error) });
      });
  }
  for (const { name } of swaps) await files.remove(room.layout.swap(name));
}

type BegunSet = { name: string; snapshot: string; ids: readonly string[] };

async function setsBegun(room: PoolRoom): Promise<BegunSet[]> {
  const found = await Promise.all(
    (await room.world.files.list(room.layout.rollbackSets)).map((name) => readSet(room, name)),
  );
  return found.flatMap((set) => set ?? []);
}

/** Undefined: it has been spread meanwhile. */
async function readSet({ world, layout }: PoolRoom, name: string): Promise<BegunSet | undefined> {
  const path = layout.rollbackSet(name);
  const text = await world.files.readText(path);
  if (text === undefined) return undefined;
  const { snapshot, ids } = JSON.parse(text) as { snapshot?: unknown; ids?: unknown };
  if (typeof snapshot === 'string' && Array.isArray(ids)) return { name, snapshot, ids: ids.map(String) };
  throw new ReasonedError('PoolUnreadable', `${path} says nothing of a rollback`, { stalled: true });
}

/** Once: a volume that is back and in use again must not find a mark that comes late. Nobody who spreads waits for a volume. */
function spread(room: PoolRoom, name: string): Promise<void> {
  const path = room.layout.rollbackSet(name);
  return room.lock(path, async () => {
    const set = await readSet(room, name);
    if (set === undefined) return;
    for (const id of set.ids) await mark(room, room.layout.rollback(id), set.snapshot);
    await unmark(room, path);
  });
}
