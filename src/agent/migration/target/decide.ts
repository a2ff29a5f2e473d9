/**
 * The target's side of a move as one table: from what is known of both sides to the next deed. Until the guest's placement names this host
 * nothing of the guest runs here, and what was made for it goes only when the source says that the guest has stayed.
 */
import type { MigrationStatus } from '../../../api/kinds/migration.ts';
import type { Arrival, GuestObservation } from '../../../drivers/hypervisor/contract.ts';
import type { Incoming } from '../../record.ts';
import type { Belonging } from '../placement.ts';

type Says<Side extends 'source' | 'target'> = NonNullable<MigrationStatus[Side]>['state'];

/**
 * What the record says of the guest's time here before this move. Left: it is another host's, and all of it is on storage that both have. Leaving: it
 * is still to be seen that it has left. Kept: volumes may lie here that are nowhere else, or it was the guest of another object.
 */
export type EarlierStay = 'None' | 'Left' | 'Leaving' | 'Kept';

export type TargetFacts = {
  /** The Migration as this host sees it; undefined: there is none any more. */
  migration:
    | {
        over: boolean;
        deleting: boolean;
        type: 'Live' | 'Offline';
        source: Says<'source'> | undefined;
        /** The source has its finalizer on the object, so it has begun. */
        sourceHolds: boolean;
        target: Says<'target'> | undefined;
      }
    | undefined;
  record: { incoming: Incoming | undefined; stay: EarlierStay } | undefined;
  observation: GuestObservation['state'];
  belonging: Belonging;
  /** The guest does here what its run strategy wants of it, or its first start here has failed. */
  settling: 'Settled' | 'Starting' | 'StartFailed';
  /** Of a running guest that has come or is coming here; undefined: its process does not answer, or there is none. */
  memory: Arrival | undefined;
  /** There: its agent renews its Lease. Gone: it certainly runs nothing. */
  sourceHost: 'There' | 'Away' | 'Gone';
};

export type TargetDeed =
  | { type: 'none' }
  /** Write the move into the record, list the guest in the inventory. */
  | { type: 'accept' }
  /** Fetch the guest's state, make volumes and interfaces, and the process that waits for it. */
  | { type: 'prepare' }
  /** Offline: copy what can be copied while the guest runs, then the rest. */
  | { type: 'copy'; pass: 'First' | 'Final' }
  | { type: 'await' }
  /** The guest runs here, after the gate. */
  | { type: 'arrive' }
  /** Its placement is here: it is looked after as any other guest from now on. */
  | { type: 'settle' }
  /** It has come through: the move is forgotten here. */
  | { type: 'finish' }
  /** It never ran here and cannot: its placement goes back to the source, which still has all of it. */
  | { type: 'giveBack' }
  /** Post-copy: the rest of its memory cannot come over the connection there was. */
  | { type: 'listenAnew' }
  /** Post-copy: the rest of its memory is gone, and it starts from its disks. */
  | { type: 'startAnew' }
  /** It was not handed over: its source was lost, and it was recovered here. It starts from what the source had. */
  | { type: 'recover' }
  | { type: 'say'; state: 'Arrived' | 'Settled' | 'Cleaned' }
  | { type: 'fail'; reason: string; message: string }
  /** Remove what was made for it; its record last. */
  | { type: 'clean' };

export function decideTarget(facts: TargetFacts): TargetDeed {
  const { migration, record, belonging } = facts;
  const incoming = record?.incoming;
  if (incoming === undefined) return decideUnaccepted(facts);
  if (belonging === 'Target') return decideArrived(facts, incoming);
  if (isSettledElsewhere(facts)) return { type: 'clean' };
  if (belonging === 'Unknown' || migration === undefined || migration.deleting) return { type: 'await' };
  if (incoming.failed !== undefined) return { type: 'fail', ...incoming.failed };
  return decidePreparation(facts, incoming);
}

function decideUnaccepted({ migration, record, belonging, settling, observation }: TargetFacts): TargetDeed {
  if (migration === undefined) return { type: 'none' };
  const { target } = migration;
  if (target !== undefined && target !== 'Failed' && target !== 'Cleaned' && target !== 'Settled') {
    // The record has lost the move: it was settled, or cleaned, and not said.
    if (belonging === 'Target')
      return settling === 'Starting' ? { type: 'await' } : { type: 'say', state: 'Settled' };
    return belonging === 'Unknown' ? { type: 'await' } : { type: 'say', state: 'Cleaned' };
  }
  if (target === 'Failed') return { type: 'say', state: 'Cleaned' };
  if (target !== undefined || migration.over || migration.deleting) return { type: 'none' };
  if (migration.source !== 'Offering' || belonging !== 'Source') return { type: 'none' };
  if (record === undefined || record.stay === 'Left') return { type: 'accept' };
  const isBlocked = record.stay === 'Kept' || (record.stay === 'Leaving' && observation === 'Unmanageable');
  return isBlocked
    ? {
        type: 'fail',
        reason: 'RecordExists',
        message: 'the target remembers an earlier stay of this guest: see its volumes there',
      }
    : { type: 'none' };
}

/** The source has said that the guest stayed, or will never say anything and the placement is not ours. */
function isSettledElsewhere({ migration, belonging }: TargetFacts): boolean {
  if (belonging === 'Unknown') return false;
  if (migration === undefined || migration.over) return true;
  if (migration.source === 'Stayed' || migration.source === 'Released') return true;
  return migration.deleting && !migration.sourceHolds;
}

/** The placement is ours: the guest goes on here, whatever becomes of the Migration. */
function decideArrived(facts: TargetFacts, incoming: Incoming): TargetDeed {
  const { observation, sourceHost, migration, settling } = facts;
  if (incoming.home === true) {
    if (isIncomplete(facts, incoming)) return decideIncomplete(facts);
    if (settling === 'Starting') return { type: 'await' };
    const sourceHasIt = migration !== undefined && !migration.over && sourceHost === 'There';
    // What may have run here has written since: the source no longer has all of it.
    const neverRan = settling === 'StartFailed' && incoming.arriving === undefined;
    return neverRan && sourceHasIt ? { type: 'giveBack' } : { type: 'finish' };
  }
  // Asked to go back, and not there: a request may still be under way, so that it goes on here only when the source cannot take it any more.
  const isGivenBack = incoming.failed !== undefined && incoming.arriving === undefined;
  if (isGivenBack && observation === 'Off' && sourceHost !== 'Gone')
    return sourceHost === 'There' ? { type: 'giveBack' } : { type: 'await' };
  if (observation === 'Off' && isRecovered(facts, incoming)) return { type: 'recover' };
  if (incoming.type === 'Live') {
    if (observation === 'Incoming')
      return migration?.source === 'Lost' ? { type: 'startAnew' } : { type: 'arrive' };
    // The process that was to take it over is gone. The source still has the guest's memory, unless the guest may have run here since.
    if (observation === 'Off' && incoming.arriving === undefined) {
      if (sourceHost === 'There') return { type: 'giveBack' };
      // By post-copy it is placed here before it has surely left there.
      if (incoming.postCopy === true && sourceHost === 'Away') return { type: 'await' };
    }
    return { type: 'settle' };
  }
  return { type: 'settle' };
}

/** What was copied of it may be half of it: nothing of it ever ran here, and its source is dead, or had not got it off yet. */
function isRecovered({ sourceHost, migration }: TargetFacts, { type, arriving }: Incoming): boolean {
  if (arriving === true) return false;
  const isWhole = migration === undefined || migration.target === 'Ready';
  return sourceHost === 'Gone' || (type === 'Offline' && !isWhole);
}

/** It runs here, and not all its memory is here. One that does not answer may itself wait for memory. */
function isIncomplete({ observation, memory }: TargetFacts, { postCopy }: Incoming): boolean {
  return postCopy === true && observation !== 'Off' && memory !== 'Whole';
}

function decideIncomplete({ migration, memory, observation, sourceHost }: TargetFacts): TargetDeed {
  // Nobody who does not answer is taken for one whose memory is gone.
  if (memory !== undefined && (migration?.source === 'Lost' || sourceHost === 'Gone'))
    return { type: 'startAnew' };
  if (migration === undefined) return { type: 'await' };
  if (memory === 'Paused' || migration.source === 'Disconnected') return { type: 'listenAnew' };
  if (observation === 'Unmanageable' || migration.target === 'Arrived') return { type: 'await' };
  return { type: 'say', state: 'Arrived' };
}

function decidePreparation({ migration, observation }: TargetFacts, incoming: Incoming): TargetDeed {
  const target = migration?.target;
  if (incoming.type === 'Live') {
    if (target !== 'Ready') return { type: 'prepare' };
    return observation === 'Incoming'
      ? { type: 'await' }
      : {
          type: 'fail',
          reason: 'TargetDied',
          message: 'the process that waited for the guest on the target has ended',
        };
  }
  if (target === undefined || target === 'Preparing') return { type: 'copy', pass: 'First' };
  if (target === 'Precopied' && migration?.source === 'Stopped') return { type: 'copy', pass: 'Final' };
  return { type: 'await' };
}
