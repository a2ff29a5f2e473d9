/** Migrations that go behind another one, because strict rules keep their guests with its guest: what they are, and when they may begin. Pure. */
import { createHash } from 'node:crypto';
import { isOver, Migration } from '../../api/kinds/migration.ts';
import { apiVersionOf, type Stored } from '../../api/meta.ts';
import { isMachine, nameOf, type StoredGuest } from '../guests.ts';
import type { Companion } from './set.ts';
import { poolWithoutVolume } from './storage.ts';

export type Follows = NonNullable<Migration['spec']['follows']>;

/** How it stands with the first one, seen from one that follows. Stays: it does not go at all. */
export type Lead = { type: 'Goes'; host: string } | { type: 'Waits' | 'Stays'; message: string };

export type LeadFacts = {
  follows: Follows;
  first: Stored<Migration> | undefined;
  /** The guest of the first. */
  leader: StoredGuest | undefined;
  /** Host of the guest that follows. */
  at: string | undefined;
};

/** The first goes through once its guest is there; what it says of itself may be seen before that or after it. */
export function leadOf({ follows, first, leader, at }: LeadFacts): Lead {
  const name = `Migration ${follows.namespace}/${follows.name}`;
  const there = leader?.status?.placement?.host;
  const goes = (host: string | undefined, message: string): Lead =>
    host === undefined ? { type: 'Stays', message } : { type: 'Goes', host };
  if (first === undefined)
    return goes(there === at ? undefined : there, `${name} is gone, and ${guestOf(follows)} has not moved`);
  const { sourceHost, targetHost, phase, cancel, message } = first.status ?? {};
  if (phase === 'Succeeded')
    return goes(there === undefined || there === sourceHost ? targetHost : there, `${name} moved nobody`);
  const hasArrived = targetHost !== undefined && there === targetHost;
  if (hasArrived) return { type: 'Goes', host: targetHost };
  if (isOver(first)) return { type: 'Stays', message: `${name} did not come about: ${message ?? phase}` };
  const isGivenUp = cancel !== undefined || first.metadata.deletionTimestamp !== undefined;
  if (targetHost === undefined || isGivenUp)
    return {
      type: 'Waits',
      message: `it goes behind ${name} of ${guestOf(follows)}, which rules keep with it`,
    };
  return { type: 'Goes', host: targetHost };
}

function guestOf({ guest, namespace }: Follows): string {
  return `${guest.kind}/${namespace}/${guest.name}`;
}

/** `<namespace>/<name>` of the Migration that it follows. */
export function firstOf({ spec: { follows } }: Migration): string | undefined {
  return follows === undefined ? undefined : `${follows.namespace}/${follows.name}`;
}

/** `<kind>/<namespace>/<name>` of the guest behind which it goes. */
export function leaderOf({ spec: { follows } }: Migration): string | undefined {
  return follows === undefined ? undefined : guestOf(follows);
}

/** Of the guest's Migrations one that followed another has succeeded since this one was asked for. */
export function hasComeAlong(migration: Stored<Migration>, ofGuest: readonly Migration[]): boolean {
  const askedAt = migration.metadata.creationTimestamp;
  return (
    askedAt !== undefined &&
    ofGuest.some(
      ({ spec, status }) =>
        spec.follows !== undefined &&
        status?.phase === 'Succeeded' &&
        Date.parse(status.completedAt ?? '') > Date.parse(askedAt),
    )
  );
}

/** What it waits for is a free place: others of its set are there already. */
const BEGIN_WITHIN_SECONDS = 86_400;
/** Long enough to be read, and to tell another Migration of the guest that it has come along. */
const KEEP_SECONDS = 3_600;

/** The Migration of another member, the same one whoever makes it. */
export function followerOf(first: Stored<Migration>, { guest, type }: Companion): Migration {
  const { namespace, name, kind } = nameOf(guest);
  const { guest: leader, storage, ttlSecondsAfterFinished: ttl, ...asked } = first.spec;
  const { bandwidth, downtimeLimitMilliseconds, autoConverge, channels, compression } = asked;
  const { priority, timeoutSeconds } = asked;
  const ours = storage?.filter((entry) => poolWithoutVolume(guest, [entry]) === undefined) ?? [];
  const how = {
    ...{ bandwidth, downtimeLimitMilliseconds, autoConverge, channels, compression },
    ...{ priority, timeoutSeconds, storage: ours.length === 0 ? undefined : ours },
  };
  const own = { namespace: first.metadata.namespace ?? 'default', name: first.metadata.name };
  return {
    apiVersion: apiVersionOf(Migration),
    kind: Migration.kind,
    metadata: { name: followerName(first.metadata.uid, guest), namespace },
    spec: {
      ...{ guest: { kind, name }, type, follows: { ...own, guest: leader } },
      ...Object.fromEntries(Object.entries(how).filter(([, value]) => value !== undefined)),
      ...{ startDeadlineSeconds: BEGIN_WITHIN_SECONDS, ttlSecondsAfterFinished: ttl ?? KEEP_SECONDS },
    },
  };
}

function followerName(uid: string, guest: StoredGuest): string {
  const { kind, namespace, name } = nameOf(guest);
  const sum = createHash('sha256').update(`${uid}/${kind}/${namespace}/${name}`).digest('hex').slice(0, 10);
  return `with-${isMachine(guest) ? 'vm' : 'ct'}-${name.slice(0, 44)}-${sum}`;
}
