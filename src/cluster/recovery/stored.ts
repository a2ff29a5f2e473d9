/** Between the engine's records and the status of Hosts and guests they are stored in. Pure. */
import type { GuestStatus } from '../../api/guest.ts';
import type { HostHaStatus } from '../../api/ha.ts';
import type { HostStatus } from '../../api/kinds/host.ts';
import { timeOf } from '../../base/clock.ts';
import { type JsonObject, mergePatchOf } from '../../client/patch.ts';
import { type GuestRecord, type HostRecord, NO_LIFE, type Placement } from '../ha/model.ts';

export function hostRecordOf({ ha }: HostStatus = {}): HostRecord {
  if (ha === undefined) return { state: 'Online' };
  const { state, life, machineID, incident, incidents, proof, revoked } = ha;
  return {
    state,
    ...(life === undefined ? {} : { life }),
    ...(machineID === undefined ? {} : { machineID }),
    ...(incidents === undefined ? {} : { incidents }),
    ...(revoked === undefined ? {} : { revoked }),
    ...reasonOf(ha),
    ...(incident === undefined
      ? {}
      : {
          incident: {
            ...{ id: incident.id, bootID: incident.bootID, term: incident.term },
            ...(incident.reached === true ? { reached: true as const } : {}),
          },
        }),
    ...(proof === undefined
      ? {}
      : {
          proof: {
            ...{ kind: proof.kind, incident: proof.incident, bootID: proof.bootID, term: proof.term },
            ...(proof.covers === undefined ? {} : { covers: proof.covers }),
          },
        }),
  };
}

/** The merge patch of a Host's status that stores the record. Times are for people and stay while what they are about does. */
export function hostPatch(before: HostHaStatus | undefined, record: HostRecord, now: number): JsonObject {
  const { incident, proof, reason, ...rest } = record;
  const at = timeOf(now);
  const since = before?.incident?.id === incident?.id ? (before?.incident?.since ?? at) : at;
  const found = before?.proof?.incident === proof?.incident ? (before?.proof?.at ?? at) : at;
  const after = {
    ...rest,
    ...spokenOf(reason),
    ...(incident === undefined ? {} : { incident: { ...incident, since } }),
    ...(proof === undefined ? {} : { proof: { ...proof, at: found } }),
  };
  return { ha: mergePatchOf(before ?? {}, after) ?? {} };
}

type PlacedStatus = Pick<GuestStatus, 'placement' | 'ha'>;

/** What is stored of a placed guest; undefined while it has no host, or nothing has been said of it since somebody placed it anew. */
export function guestRecordOf({ placement, ha }: PlacedStatus = {}): GuestRecord | undefined {
  if (placement === undefined || ha === undefined || ha.epoch !== placement.epoch) return undefined;
  const { state, attempts } = ha;
  return {
    ...{ state, placement: placementOf(placement) },
    ...reasonOf(ha),
    ...(attempts === undefined ? {} : { attempts }),
  };
}

function placementOf({ host, epoch, bootID, term }: NonNullable<PlacedStatus['placement']>): Placement {
  const life = bootID === undefined || term === undefined ? NO_LIFE : { bootID, term };
  return { host, epoch, ...life };
}

/**
 * The merge patch of a guest's status that stores the record, but not that the guest was never seen to run (`unstarted`): on a real host another
 * than its keeper may have started it, before the guest was given `ha`. `now` becomes `since` where the placement is a new one. */
export function guestPatch(before: PlacedStatus = {}, record: GuestRecord, now: number): JsonObject {
  const { placement, state } = record;
  if (placement === undefined) throw new Error('a guest without a placement has no record');
  const isOld = before.placement?.host === placement.host && before.placement.epoch === placement.epoch;
  const since = (isOld ? before.placement?.since : undefined) ?? timeOf(now);
  const ha = {
    ...{ state, epoch: placement.epoch },
    ...spokenOf(record.reason),
    ...(record.attempts === undefined ? {} : { attempts: record.attempts }),
  };
  return (
    mergePatchOf(
      { placement: before.placement, ha: before.ha },
      { placement: { ...placement, since }, ha },
    ) ?? {}
  );
}

/** The merge patch of a guest's status after which high availability has never said anything of it. */
export function releasePatch(): JsonObject {
  return { ha: null, placement: { bootID: null, term: null } };
}

function reasonOf({ reason, message }: { reason?: string; message?: string }): { reason?: string } {
  if (reason === undefined) return {};
  return { reason: message === undefined ? reason : `${reason}: ${message}` };
}

/** `Reason: what people read` in two fields. */
function spokenOf(reason: string | undefined): { reason?: string; message?: string } {
  if (reason === undefined) return {};
  const colon = reason.indexOf(': ');
  if (colon === -1) return { reason };
  return { reason: reason.slice(0, colon), message: reason.slice(colon + 2).slice(0, 1_024) };
}
