/**
 * The one door through which decisions about hosts and guests reach the API: each by compare-and-swap on the object it was made from, and none that
 * takes a guest from its host without a proof that is stored. What was refused is decided anew in a later round.
 */

import { STARTED_ANNOTATION } from '../../api/cluster.ts';
import { Container } from '../../api/kinds/container.ts';
import { FenceAction, type FenceActionSpec } from '../../api/kinds/fenceAction.ts';
import { Host } from '../../api/kinds/host.ts';
import { Migration } from '../../api/kinds/migration.ts';
import { VirtualMachine } from '../../api/kinds/virtualMachine.ts';
import type { KindRef, KubeObject, Stored } from '../../api/meta.ts';
import { apiVersionOf } from '../../api/meta.ts';
import { objectName } from '../../api/objectName.ts';
import { ApiError, type Client } from '../../client/contract.ts';
import { isMachine, nameOf, type StoredGuest } from '../guests.ts';
import type { Decision, GuestRecord, Incident } from '../ha/model.ts';
import { isCertainlyDead, isDeadUntold } from './evidence.ts';
import { guestPatch, guestRecordOf, hostPatch, releasePatch } from './stored.ts';

export type WriteContext = {
  client: Client;
  signal: AbortSignal;
  timeoutMs: number;
  /** Wall clock, for people. */
  now: number;
};

/** Written: stored. Refused: the object has changed since, or no stored proof allows it; nothing was stored. */
export type Written = 'Written' | 'Refused';

export async function writeHost(
  host: Stored<Host>,
  { record }: Extract<Decision, { type: 'Host' }>,
  context: WriteContext,
): Promise<Written> {
  return swap(Host, host, hostPatch(host.status?.ha, record, context.now), context);
}

/** Stores what was decided of a placed guest. */
export async function writeGuest(
  guest: StoredGuest,
  record: GuestRecord,
  context: WriteContext,
): Promise<Written> {
  const before = guestRecordOf(guest.status);
  if (needsProof(before, record, guest) && !(await isProven(guest, before, context))) return 'Refused';
  const patch = guestPatch(guest.status, record, context.now);
  return swapGuest(guest, patch, context);
}

async function swapGuest(guest: StoredGuest, patch: unknown, context: WriteContext): Promise<Written> {
  return isMachine(guest)
    ? swap(VirtualMachine, guest, patch, context)
    : swap(Container, guest, patch, context);
}

/**
 * Takes a guest from a host that never touched it: an agent stamps the object before its first deed, so that this write, which carries the
 * version without a stamp, is proof enough. Placement chooses another host.
 */
export async function unplaceGuest(guest: StoredGuest, context: WriteContext): Promise<Written> {
  if (guest.metadata.annotations?.[STARTED_ANNOTATION] !== undefined) return 'Refused';
  return swapGuest(guest, { placement: null, ha: null }, context);
}

/** Lets a guest go that is not to be protected any more: where it is it stays, and its host may start it in any life. */
export async function releaseGuest(guest: StoredGuest, context: WriteContext): Promise<Written> {
  return swapGuest(guest, releasePatch(), context);
}

/** Forgets what is stored of a host. */
export async function releaseHost(host: Stored<Host>, context: WriteContext): Promise<Written> {
  return swap(Host, host, { ha: null }, context);
}

/** To be recovering is itself the stored word that the proof was there: from then on a host may be chosen. */
function needsProof(before: GuestRecord | undefined, after: GuestRecord, { status }: StoredGuest): boolean {
  if (before?.state === 'Recovering') return false;
  return after.state === 'Recovering' || after.placement?.host !== status?.placement?.host;
}

async function isProven(
  { metadata: { uid }, status }: StoredGuest,
  before: GuestRecord | undefined,
  { client, signal, timeoutMs }: WriteContext,
): Promise<boolean> {
  const { placement } = status ?? {};
  if (placement === undefined) return false;
  const host = await client.find(Host, { name: placement.host }, { signal, timeoutMs });
  if (host === undefined) return false;
  return before === undefined ? isDeadUntold(placement, uid, host) : isCertainlyDead(before, uid, host);
}

async function swap<T extends KubeObject>(
  kind: KindRef<T>,
  { metadata: { name, namespace, uid, resourceVersion } }: Pick<Stored<T>, 'metadata'>,
  status: unknown,
  { client, signal, timeoutMs }: WriteContext,
): Promise<Written> {
  const ref = { name, ...(namespace === undefined ? {} : { namespace }) };
  const patch = { metadata: { uid, resourceVersion }, status };
  return unlessRefused(() =>
    client.mergePatch(kind, ref, patch, { subresource: 'status', signal, timeoutMs }),
  );
}

/** Asks for a fence, once: its name belongs to the incident. `leaseVersion`: of the Lease that shows the host silent. */
export async function writeFence(
  { fence, devices, life }: Extract<Decision, { type: 'Fence' }>,
  leaseVersion: string,
  context: WriteContext,
): Promise<Written> {
  const { id, host, incident, level } = fence;
  const { bootID, term } = life;
  const spec = { host, incident, bootID, term, level, leaseVersion } as const;
  return createAction(id, { ...spec, method: 'PowerOff', devices: [...devices] }, context);
}

/** Asks for the switch ports of a host to be shut, once for the incident. */
export async function writeDisconnect(
  { host, incident, devices }: { host: string; incident: Incident; devices: readonly string[] },
  leaseVersion: string,
  context: WriteContext,
): Promise<Written> {
  const { id, bootID, term } = incident;
  const spec = { host, incident: id, bootID, term, leaseVersion } as const;
  return createAction(`${id}-cut`, { ...spec, method: 'Disconnect', devices: [...devices] }, context);
}

/** Asks an agent to take a pool from a host, once for each try. `executor`: whose agent. */
export async function writeRevocation(
  { revocation, life }: Extract<Decision, { type: 'Revoke' }>,
  { executor, leaseVersion }: { executor: string; leaseVersion: string },
  context: WriteContext,
): Promise<Written> {
  const { id, host, incident, pool } = revocation;
  const { bootID, term } = life;
  const spec = { host, incident, bootID, term, leaseVersion, pool, executor } as const;
  return createAction(id, { ...spec, method: 'Revoke' }, context);
}

async function createAction(
  name: string,
  spec: FenceActionSpec,
  { client, signal, timeoutMs }: WriteContext,
): Promise<Written> {
  const action: FenceAction = {
    ...{
      apiVersion: apiVersionOf(FenceAction),
      kind: FenceAction.kind,
      metadata: { name: objectName(name) },
    },
    spec,
  };
  return unlessRefused(() => client.create(FenceAction, action, { signal, timeoutMs }));
}

/** Asks for a move, once; `within`: so many seconds, or it does not begin at all. Whether it may begin its hosts say, by the placement as it is then. */
export async function writeMove(
  guest: StoredGuest,
  { to, name, type, within }: { to: string; name: string; type: 'Live' | 'Offline'; within?: number },
  { client, signal, timeoutMs }: WriteContext,
): Promise<Written> {
  const { kind, namespace, name: guestName } = nameOf(guest);
  const migration: Migration = {
    apiVersion: apiVersionOf(Migration),
    kind: Migration.kind,
    metadata: { name, namespace },
    spec: {
      ...{ guest: { kind, name: guestName }, targetHost: to, type },
      ttlSecondsAfterFinished: KEEP_SECONDS,
      ...(within === undefined ? {} : { startDeadlineSeconds: within }),
    },
  };
  return unlessRefused(() => client.create(Migration, migration, { signal, timeoutMs }));
}

/** A move that is over is kept so long: until then none of its name is made again. */
const KEEP_SECONDS = 3_600;

async function unlessRefused(write: () => Promise<unknown>): Promise<Written> {
  try {
    await write();
    return 'Written';
  } catch (error) {
    if (error instanceof ApiError && (error.code === 409 || error.code === 404)) return 'Refused';
    throw error;
  }
}
