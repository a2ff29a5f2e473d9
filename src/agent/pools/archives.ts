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
/** Names that this program gives. */
const OURS = /^backup-[0-9a-f-]{36}$/;

/** Those that can be read and that are not `known` to have a Backup: of more than a host tells of the others follow. A damaged one is passed over. */
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
  return found.toSorted((a, b) => byTime(b.takenAt, a.takenAt)).slice(0, MOST);
}
