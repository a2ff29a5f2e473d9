/**
 * Whether a guest may come to a host although its HAGroup is to tolerate the loss of hosts: only if afterwards each guest of the group would still
 * find another one. Guests that are placed already, and start or move, are not asked: their group says what it has become.
 */
import { isProtected } from '../../api/ha.ts';
import { demandOf, type StoredGuest } from '../guests.ts';
import { guestId, guestView, isToRun } from './guestViews.ts';
import { type Newcomer, onPaper, type PaperSources } from './onPaper.ts';
import { intolerableLoss } from './rehearsal.ts';

export type AdmissionSources = PaperSources & {
  /** The guest as it is now. */
  guest(id: string): StoredGuest | undefined;
};

/** Why the guest cannot be given this host; undefined: it may come, and counts as one that has. */
export type Admission = (guest: StoredGuest, host: string) => string | undefined;

export function createAdmission(sources: AdmissionSources): Admission {
  /** Let in, and not seen on its host yet. */
  const admitted = new Map<string, Newcomer>();

  const arriving = (): Newcomer[] => {
    for (const id of admitted.keys()) {
      const guest = sources.guest(id);
      if (guest === undefined || guest.status?.placement !== undefined || !isToRun(guest))
        admitted.delete(id);
    }
    const placed = sources.guests().flatMap((guest) => {
      const host = guest.status?.placement?.host;
      const isKnown = host === undefined || guestView(guest) !== undefined || !isProtected(guest.spec.ha);
      return isKnown || !isToRun(guest) ? [] : [{ guest, host }];
    });
    return [...placed, ...admitted.values()];
  };

  return (guest, host) => {
    const id = guestId(guest);
    admitted.delete(id);
    const { name, spec } = sources.membership.groupOf(guest) ?? {};
    const failures = spec?.hostFailuresToTolerate;
    if (name === undefined || failures === undefined || failures === 0) return undefined;
    const others = arriving();
    const bytes = new Map<string, number>();
    for (const one of others)
      bytes.set(one.host, (bytes.get(one.host) ?? 0) + demandOf(one.guest).memoryBytes);
    const allocatedBytes = (on: string) => sources.allocatedBytes(on) - (bytes.get(on) ?? 0);
    const paper = onPaper({ ...sources, allocatedBytes }, [...others, { guest, host }]);
    const loss = paper === undefined ? undefined : intolerableLoss(name, failures, paper).loss;
    if (loss === undefined) {
      admitted.set(id, { guest, host });
      return undefined;
    }
    return `on ${host} it would take the room that HAGroup ${name} keeps for the loss of ${failures === 1 ? 'a host' : `${failures} hosts`}: ${loss}`;
  };
}
