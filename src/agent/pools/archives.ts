/** The archives that lie in a pool whose objects may be lost: what their manifests say of themselves, newest first. */
import { byTime } from '../../base/clock.ts';
import type { Archives } from '../../drivers/storage/contract.ts';

export type FoundArchive = {
  archive: string;
  guest: { kind: 'VirtualMachine' | 'Container'; namespace: string; name: string };
  takenAt: string;
};

/** Most that a host tells of in one pool at a time. */
const MOST = 128;
/** Most that a host tells of at all. */
export const TOLD_AT_MOST = 256;
/** Names that this program gives. */
const OURS = /^backup-[0-9a-f-]{36}$/;

/** Those that can be read and that are not `known` to have a Backup, newest first. A damaged one is passed over. */
export async function findArchives(
  archives: Pick<Archives, 'list' | 'read'>,
  known: ReadonlySet<string>,
): Promise<FoundArchive[]> {
  const found: FoundArchive[] = [];
  for (const archive of await archives.list()) {
    const isLost = OURS.test(archive) && !known.has(archive);
    const manifest = isLost ? await archives.read(archive).catch(() => undefined) : undefined;
    if (manifest === undefined) continue;
    const { kind, namespace, name } = manifest.guest;
    if (kind !== 'VirtualMachine' && kind !== 'Container') continue;
    found.push({ archive, guest: { kind, namespace, name }, takenAt: manifest.takenAt });
  }
  return found.toSorted(newestFirst);
}

/** Which of those found in a pool its host tells of at this time, monotonic ms. `pools`: so many share what a host tells. */
export type Telling = (found: readonly FoundArchive[], of: { now: number; pools: number }) => FoundArchive[];

/**
 * Of more than a host tells of at a time others are told after `turnMs`, and all come round: those told first may stay for ever without a Backup that
 * this host knows, as one of another host or one of a namespace that has gone, and must not keep others from having theirs.
 */
export function createTelling(turnMs: number): Telling {
  let last: FoundArchive | undefined;
  let turn: { after: FoundArchive | undefined; since: number } | undefined;
  return (found, { now, pools }) => {
    const most = Math.min(MOST, Math.max(1, Math.floor(TOLD_AT_MOST / pools)));
    if (turn === undefined || now - turn.since >= turnMs) turn = { after: last, since: now };
    const { after } = turn;
    const next = after === undefined ? 0 : found.findIndex((each) => newestFirst(each, after) > 0);
    const told = [...found.slice(Math.max(0, next)), ...found.slice(0, Math.max(0, next))].slice(0, most);
    last = told.at(-1);
    return told.toSorted(newestFirst);
  };
}

function newestFirst(a: FoundArchive, b: FoundArchive): number {
  return byTime(b.takenAt, a.takenAt) || (a.archive < b.archive ? -1 : Number(a.archive > b.archive));
}
