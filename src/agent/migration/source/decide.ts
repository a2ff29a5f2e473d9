/**
 * The source's side of a move as one table: from what is known of both sides to the next deed. Every deed may be repeated; after a crash at
 * any line the same facts lead to it again. The guest is the source's until its placement names another host.
 */
import type { MigrationStatus } from '../../../api/kinds/migration.ts';
import type { GuestObservation, TransferProgress } from '../../../drivers/hypervisor/contract.ts';
import { hasSnapshots } from '../../guests/migratable.ts';
import type { GivenUp, Outgoing } from '../../record.ts';
import type { Belonging } from '../placement.ts';

type TargetSays = NonNullable<NonNullable<MigrationStatus['target']>['state']>;

export type SourceFacts = {
  /** The Migration as this host sees it; undefined: there is none any more. */
  migration:
    | {
        uid: string;
        type: 'Live' | 'Offline';
        /** Has ended, whoever ended it. */
        over: boolean;
        deleting: boolean;
        /** The cluster or a limit of the move says so. */
        stop: { reason: string; message: string } | undefined;
        /** Assigned for exactly the guest and the placement that this host has. */
        fits: boolean;
        target: TargetSays | undefined;
        targetFailure: { reason: string; message: string } | undefined;
        source: NonNullable<MigrationStatus['source']>['state'] | undefined;
      }
    | undefined;
  /** `moved`: the record has a move of another Migration, the guest is only coming here, or other work locks it. */
  record:
    | { outgoing: Outgoing | undefined; moved: boolean; runs: boolean; staying: readonly string[] }
    | undefined;
  observation: GuestObservation['state'];
  transfer: TransferProgress;
  belonging: Belonging;
  /** The guest is to be off or away: it must not be kept from it by a move. */
  wantedOff: { reason: string; message: string } | undefined;
  /** Nothing of a transfer under way has arrived for long. */
  silent: boolean;
  /** The target's word that the guest is at home there, or the guest's own status when the Migration is gone. */
  settledThere: boolean;
  /** The API server has not answered for so long that waiting for it costs more than giving up. */
  apiIsAway: boolean;
};

/** What a person reads while it goes on; phases only the source decides. */
export type SourceStage = 'Preparing' | 'Copying' | 'Synchronizing' | 'HandingOver';

export type SourceDeed =
  /** Nothing of this move is here, and there is nothing to say. */
  | { type: 'none' }
  /** Nothing was begun here: only the Migration is ended. */
  | { type: 'refuse'; end: GivenUp }
  /** Write the move into the record. */
  | { type: 'begin' }
  /** Let the target fetch the guest's state, and wait for it. */
  | { type: 'offer'; stage: SourceStage }
  | { type: 'send' }
  /** Look after the transfer: progress, limits. */
  | { type: 'follow'; stage: SourceStage }
  /** The guest is to be off for the move. */
  | { type: 'hold' }
  | { type: 'awaitOff' }
  /** It is off: the target may copy the rest. */
  | { type: 'sayOff' }
  /** Write that the placement is asked to change, then ask. */
  | { type: 'handOver' }
  /** The placement has changed: write it down. */
  | { type: 'noteHandedOver' }
  | { type: 'awaitTarget' }
  /** Post-copy: the placement has changed, so that the target may go on with what it has. */
  | { type: 'switchOver' }
  /** Post-copy: look after the memory that follows the guest. `silent`: nothing of it comes through. */
  | { type: 'followUp'; silent: boolean }
  /** Remove what is left of the guest here; its record last. */
  | { type: 'release' }
  | { type: 'succeed' }
  /** Write that the move is given up; what was begun is undone after that. */
  | { type: 'giveUp'; end: GivenUp }
  /** As giveUp, after making sure that no request under way can still change the placement. */
  | { type: 'reclaim'; end: GivenUp }
  /** The placement came back: write its epoch down, then as giveUp. */
  | { type: 'acceptBack'; end: GivenUp }
  /** End the transfer; the guest has never stopped running here. */
  | { type: 'cancelTransfer' }
  /** The guest goes on here after standing still. */
  | { type: 'takeBack' }
  /** It came back and its memory cannot: what stands here is ended, and it starts from its disks. */
  | { type: 'startAnew' }
  /** All is as before: say so. */
  | { type: 'sayStayed'; end: GivenUp }
  /** It has been said, or there is nobody to say it to: forget the move. */
  | { type: 'forget' };

export function decideSource(facts: SourceFacts): SourceDeed {
  const { record } = facts;
  const outgoing = record?.outgoing;
  if (outgoing === undefined) return decideUnbegun(facts);
  if (outgoing.givenUp !== undefined) return undo(facts, outgoing.givenUp);
  switch (facts.belonging) {
    case 'Target':
    case 'Elsewhere':
    case 'Gone':
      return decideLeft(facts, outgoing);
    case 'SourceAnew':
      return {
        type: 'acceptBack',
        end: failed(
          'TargetFailed',
          facts.migration?.targetFailure?.message ?? 'the target gave the guest back',
        ),
      };
    case 'Unknown':
      return decideBlind(facts, outgoing);
    case 'Source':
      return decideHere(facts, outgoing);
    default:
      return facts.belonging satisfies never;
  }
}

/** What the source says from the hand-over until nothing is left of the guest. */
const HANDED_OVER: readonly string[] = ['HandedOver', 'Disconnected', 'Lost'];

function failed(reason: string, message: string): GivenUp {
  return { phase: 'Failed', reason, message };
}

/** No move in the record: it has not begun, or it is over and all is said but the last word. */
function decideUnbegun({ migration, record, observation, belonging, wantedOff }: SourceFacts): SourceDeed {
  if (migration === undefined || migration.over || migration.deleting) return { type: 'none' };
  const { source } = migration;
  if (source === 'Released' || (source !== undefined && HANDED_OVER.includes(source)))
    return { type: 'succeed' };
  const refuse = (reason: string, message: string): SourceDeed => ({
    type: 'refuse',
    end: failed(reason, message),
  });
  if (migration.stop !== undefined) return refuse(migration.stop.reason, migration.stop.message);
  if (belonging === 'Unknown') return { type: 'none' };
  if (record === undefined || !migration.fits || belonging !== 'Source') {
    return refuse(
      'GuestMoved',
      'the guest is not on this host any more as it was when the move was assigned',
    );
  }
  if (record.moved) return { type: 'none' };
  if (record.staying.length > 0) {
    const { reason, message } = hasSnapshots(record.staying);
    return refuse(reason, message);
  }
  if (wantedOff !== undefined) return refuse(wantedOff.reason, wantedOff.message);
  if (observation === 'Unmanageable') {
    return refuse('Unmanageable', 'the guest does not answer on its host: see its condition Running');
  }
  if (migration.type === 'Live' && observation !== 'Running') {
    return refuse('NotRunning', 'the guest does not run: a move of type Offline or Auto moves its disks');
  }
  return { type: 'begin' };
}

/** The placement names another host: nothing here may run any more. */
function decideLeft(facts: SourceFacts, outgoing: Outgoing): SourceDeed {
  const { settledThere, belonging, migration, transfer } = facts;
  // This host, or the target, was lost in the middle: what was asked for came to nothing, or went on without it.
  if (migration?.over === true && isRecovered(belonging, migration.target))
    return { type: 'giveUp', end: failed('GuestMoved', 'the guest was recovered on another host') };
  if (outgoing.handOver === 'Done') {
    // The guest runs nowhere until then.
    if (transfer.phase === 'AwaitingSwitch' && belonging === 'Target') return { type: 'switchOver' };
    // Said before anything goes: without the record this word is what tells that the guest was handed over.
    const isSaid =
      migration === undefined || migration.over || HANDED_OVER.includes(migration.source ?? 'Offering');
    if (!isSaid) return { type: 'awaitTarget' };
    // Without a Migration the guest's own status is all there is, and it runs before its memory is whole.
    const isHome = settledThere && (migration !== undefined || transfer.phase !== 'PostCopy');
    if (isHome || belonging === 'Gone') return { type: 'release' };
    const follows = outgoing.postCopy === true && belonging === 'Target';
    return follows ? { type: 'followUp', silent: facts.silent } : { type: 'awaitTarget' };
  }
  if (outgoing.handOver === 'Asked') return { type: 'noteHandedOver' };
  // Somebody else has moved or deleted it. What stands here is ended by the rules of a guest that has left, not by this move.
  return { type: 'giveUp', end: failed('GuestMoved', 'the guest was placed elsewhere or deleted meanwhile') };
}

/** On a third host, or on the target anew: that had removed what this move made there. */
function isRecovered(belonging: SourceFacts['belonging'], target: TargetSays | undefined): boolean {
  return belonging === 'Elsewhere' ? target !== 'Settled' : belonging === 'Target' && target === 'Cleaned';
}

/** The placement cannot be read. What runs runs on; what stands still goes on only if the change was surely never asked for. */
function decideBlind(facts: SourceFacts, outgoing: Outgoing): SourceDeed {
  if (outgoing.handOver !== undefined) return { type: 'awaitTarget' };
  if (standsStill(facts) && facts.apiIsAway) {
    return {
      type: 'giveUp',
      end: failed(
        'ApiServerAway',
        'the API server could not be reached for the hand-over: the guest goes on here',
      ),
    };
  }
  return standsStill(facts) || outgoing.type === 'Offline'
    ? { type: 'awaitTarget' }
    : { type: 'follow', stage: 'Copying' };
}

function decideHere(facts: SourceFacts, outgoing: Outgoing): SourceDeed {
  const why = reasonToStay(facts, outgoing);
  if (why !== undefined) return { type: outgoing.handOver === undefined ? 'giveUp' : 'reclaim', end: why };
  // Asked before, and not there: asked again, with what is stored now. While the guest still leaves it was only written down ahead.
  if (outgoing.handOver !== undefined && (outgoing.type === 'Offline' || standsStill(facts)))
    return { type: 'handOver' };
  return outgoing.type === 'Live' ? decideLive(facts) : decideOffline(facts, outgoing);
}

function reasonToStay(facts: SourceFacts, { type, held }: Outgoing): GivenUp | undefined {
  const { migration, observation, transfer, wantedOff } = facts;
  const cancelled = (message: string): GivenUp => ({ phase: 'Cancelled', reason: 'Cancelled', message });
  if (migration === undefined || migration.deleting) return cancelled('the migration was deleted');
  if (migration.over) return failed('Ended', 'the migration was ended by the cluster');
  if (migration.stop !== undefined) return failed(migration.stop.reason, migration.stop.message);
  if (wantedOff !== undefined) return { phase: 'Cancelled', ...wantedOff };
  if (migration.target === 'Failed' || migration.target === 'Cleaned') {
    const { reason, message } = migration.targetFailure ?? {
      reason: 'TargetFailed',
      message: 'the target cannot take the guest',
    };
    return failed(reason, message);
  }
  if (transfer.phase === 'Failed') return failed(transfer.reason, transfer.message);
  if (observation === 'Unmanageable') return failed('Unmanageable', 'the guest does not answer on its host');
  if (
    type === 'Live' &&
    observation !== 'Running' &&
    observation !== 'HandedOver' &&
    observation !== 'Paused'
  ) {
    return failed('SourceStopped', 'the guest stopped while it moved');
  }
  if (held !== undefined && observation === 'HandedOver')
    return failed('Unmanageable', 'the guest stands still where it is to be off');
  return undefined;
}

/** All that has to go before the hand-over is on the target. */
function standsStill({ observation, transfer }: Pick<SourceFacts, 'observation' | 'transfer'>): boolean {
  return (
    observation === 'HandedOver' || transfer.phase === 'Completed' || transfer.phase === 'AwaitingSwitch'
  );
}

function decideLive(facts: SourceFacts): SourceDeed {
  const { migration, transfer } = facts;
  if (standsStill(facts)) return { type: 'handOver' };
  if (migration?.target !== 'Ready') return { type: 'offer', stage: 'Preparing' };
  switch (transfer.phase) {
    case 'Idle':
      return { type: 'send' };
    case 'Disks':
      return { type: 'follow', stage: 'Copying' };
    default:
      return { type: 'follow', stage: 'Synchronizing' };
  }
}

function decideOffline({ migration, observation, record }: SourceFacts, { held }: Outgoing): SourceDeed {
  if (held === undefined) {
    return migration?.target === 'Precopied' || migration?.target === 'Ready'
      ? { type: 'hold' }
      : { type: 'offer', stage: migration?.target === undefined ? 'Preparing' : 'Copying' };
  }
  if (observation !== 'Off' || record?.runs === true) return { type: 'awaitOff' };
  if (migration?.source !== 'Stopped') return { type: 'sayOff' };
  return migration.target === 'Ready' ? { type: 'handOver' } : { type: 'offer', stage: 'Synchronizing' };
}

/** The decision to give up stands on disk: first what was begun is undone, then it is said, then forgotten. */
function undo({ migration, observation, transfer, belonging }: SourceFacts, end: GivenUp): SourceDeed {
  const isOurs = belonging !== 'Target' && belonging !== 'Elsewhere' && belonging !== 'Gone';
  if (isOurs && (transfer.phase === 'PostCopy' || transfer.phase === 'PostCopyPaused'))
    return { type: 'startAnew' };
  if (observation === 'HandedOver' && isOurs) return { type: 'takeBack' };
  // A disk that could not be copied is where it has failed: its memory may be on the way, and stops the guest for good when it has come so far.
  if (isOurs && transfer.phase !== 'Idle') return { type: 'cancelTransfer' };
  return migration === undefined || migration.over ? { type: 'forget' } : { type: 'sayStayed', end };
}
