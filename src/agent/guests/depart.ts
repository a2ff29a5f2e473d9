/**
 * A guest has left what this host sees. That means "no longer mine", never "destroy": a consistent read says why, and at most the process
 * is ended, when the control plane has moved the guest to another host. Volumes and record stay.
 */
import type { Stored } from '../../api/meta.ts';
import { done, failed, type Outcome, outcomeOf, waiting } from '../../base/outcome.ts';
import type { GuestHandle, GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { GuestRecord } from '../record.ts';
import type { GuestObject } from './kind.ts';

/** Whether a record's guest is still this host's business. `Unplaced` runs on until the manager claims it anew. */
export type Departure = 'Ours' | 'Unplaced' | 'Elsewhere' | 'Orphan';

/** Judges what a consistent read says of a guest that this host has a record of and no longer sees. */
export function judgeDeparture(
  host: string,
  record: Pick<GuestRecord, 'uid' | 'epoch'>,
  found: Stored<GuestObject> | undefined,
): Departure {
  if (found === undefined || found.metadata.uid !== record.uid) return 'Orphan';
  const placement = found.status?.placement;
  if (placement === undefined) return 'Unplaced';
  if (placement.host === host) return 'Ours';
  // An older word than ours is the word of a control plane that went back.
  return placement.epoch > record.epoch ? 'Elsewhere' : 'Unplaced';
}

export type DepartDeps = {
  host: string;
  isTrusted(): boolean;
  /** A consistent read: never from a cache. */
  readGuest(): Promise<Stored<GuestObject> | undefined>;
  observe(): Promise<GuestObservation>;
  kill(guest: GuestHandle): Promise<void>;
  /** On disk when it resolves. */
  release(): Promise<void>;
  /** An orphan is shown on the Host until it is one no longer; that it was one is on disk when it resolves. */
  noteOrphan(isOrphan: boolean): Promise<void>;
};

/** Called when the object left the watch, and at start-up for each record without an object. */
export async function departGuest(
  deps: DepartDeps,
  record: GuestRecord,
  handle: GuestHandle,
): Promise<Outcome> {
  // Its move knows when what is left here may go: the other host may not have all of it yet.
  if (record.incoming !== undefined || record.outgoing !== undefined) return done;
  if (!deps.isTrusted())
    return waiting('ControlPlaneRolledBack', 'the guest is looked at when the control plane is trusted');
  try {
    const departure = judgeDeparture(deps.host, record, await deps.readGuest());
    await deps.noteOrphan(departure === 'Orphan');
    if (departure !== 'Elsewhere') return done;
    const { state } = await deps.observe();
    if (state === 'Unmanageable')
      return failed('Unmanageable', 'the guest was moved away and cannot be ended here');
    // Another host may start it now: there is no time to ask the guest.
    if (state !== 'Off') await deps.kill(handle);
    await deps.release();
    return done;
  } catch (error) {
    return outcomeOf(error, 'DepartureUnclear');
  }
}
