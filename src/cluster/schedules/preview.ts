/** What the rules of a BackupSchedule keep now, and which Backups go once those of its next time are made. Pure. */
import type { Backup } from '../../api/kinds/backup.ts';
import type { BackupScheduleStatus } from '../../api/kinds/backupSchedule.ts';
import type { Stored } from '../../api/meta.ts';
import { tickOf } from './plan.ts';
import { type Retention, surplusBackups } from './retention.ts';
import type { IsGone } from './sound.ts';

/** Names are for people: of more than these the number is told. */
const NAMES_AT_MOST = 20;

type Preview = NonNullable<BackupScheduleStatus['retention']>;

/** `guests`: of each what its schedule made, and all there is. `next`: ms since the epoch; `wanted`: as for the rules. */
export function previewOf(
  guests: readonly { children: readonly Stored<Backup>[]; all: readonly Stored<Backup>[] }[],
  retention: Retention,
  { next, ...of }: { zone: Intl.DateTimeFormat; next: number; wanted: ReadonlySet<string>; isGone: IsGone },
): Preview {
  const goes = guests.flatMap(({ children, all }) => {
    const made = nextOf(children, next);
    return surplusBackups([...children, ...made], retention, { ...of, all: [...all, ...made] });
  });
  const standing = guests
    .flatMap(({ children }) => children)
    .filter(
      ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.phase === 'Succeeded',
    );
  const names = goes.map(({ metadata }) => metadata.name).toSorted();
  return {
    kept: standing.length,
    protected: standing.filter(({ spec }) => spec.protected === true).length,
    going: names.length,
    ...(names.length === 0 ? {} : { next: names.slice(0, NAMES_AT_MOST) }),
  };
}

/** The one of the next time, as if it were whole already. A guest without backups may have gone or never have been chosen: nothing is said of it. */
function nextOf(children: readonly Stored<Backup>[], next: number): Stored<Backup>[] {
  const [last] = children
    .filter(({ status }) => status?.phase === 'Succeeded')
    .toSorted((a, b) => tickOf(b) - tickOf(a));
  if (last === undefined) return [];
  const { protected: _, ...spec } = last.spec;
  const { archive = '', needs = [] } = last.status ?? {};
  const isBased = needs.length + 1 < (spec.fullEvery ?? 1);
  const { apiVersion, kind } = last;
  return [
    {
      ...{ apiVersion, kind, spec },
      metadata: { ...last.metadata, uid: 'next', name: `next-${Math.floor(next / 60_000)}` },
      status: { phase: 'Succeeded', archive: 'next', ...(isBased ? { needs: [archive, ...needs] } : {}) },
    },
  ];
}
