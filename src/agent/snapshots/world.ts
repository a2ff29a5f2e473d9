/** What snapshots and rollbacks share on one host: the guests, and hands for each kind of guest with the kind's own types closed in. */
import type { Snapshot } from '../../api/kinds/snapshot.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import type { Informer } from '../../client/contract.ts';
import type {
  GuestHandle,
  GuestObservation,
  GuestSnapshots,
  MemoryKeeping,
} from '../../drivers/hypervisor/contract.ts';
import { GateClosed, passGate } from '../guests/gate.ts';
import type { GuestKind, GuestObject, VolumePlan } from '../guests/kind.ts';
import { readGuest } from '../guests/read.ts';
import { gateDeps } from '../guests/wiring.ts';
import type { GuestWorld } from '../guests/world.ts';
import type { GuestRecord } from '../record.ts';

export type Hands = {
  controller: string;
  /** The guest as last seen, when it is placed here. */
  seen(key: string): Stored<GuestObject> | undefined;
  /** A consistent read. */
  read(
    ref: { namespace: string; name: string },
    signal: AbortSignal,
  ): Promise<Stored<GuestObject> | undefined>;
  /** Throws GateClosed unless the guest is this host's now: only then may its volumes be written. */
  gate(record: GuestRecord, signal: AbortSignal): Promise<void>;
  /** The volumes that its spec asks for. */
  plans(found: Stored<GuestObject>): readonly VolumePlan[];
  observe(guest: GuestHandle): Promise<GuestObservation>;
  pause(guest: GuestHandle): Promise<void>;
  resume(guest: GuestHandle): Promise<void>;
  readonly inGuest?: GuestSnapshots;
  readonly memory?: MemoryKeeping;
};

export type SnapshotWorld = {
  guests: GuestWorld;
  hands(kind: GuestRecord['kind']): Hands;
  /** Snapshots that lie on this host, or are to. */
  snapshots: Informer<Snapshot>;
};

/** The hands for one kind. */
export function createHands<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  kind: GuestKind<T, Request, Hardware>,
  informer: Informer<T>,
): Hands {
  const { driver, snapshots, memory } = kind;
  return {
    controller: kind.controller,
    seen: (key) => informer.get(key),
    read: (ref, signal) => readGuest(world, kind, ref, signal),
    // Of this kind, as what `read` gives is.
    plans: ({ spec }) => kind.volumes(spec as T['spec']),
    gate: async ({ uid, namespace, name, epoch }, signal) => {
      const deps = gateDeps(world, kind, { metadata: { uid, namespace, name } }, epoch, signal);
      await passGate(deps).catch((error: unknown) => {
        if (error instanceof GateClosed || signal.aborted) throw error;
        throw new GateClosed('ApiServerAway', `whose the guest is cannot be read: ${String(error)}`);
      });
    },
    observe: driver.observe,
    pause: driver.pause,
    resume: driver.resume,
    ...(snapshots === undefined ? {} : { inGuest: snapshots }),
    ...(memory === undefined ? {} : { memory }),
  };
}

/** Kind and key of the guest that a job is about, and both as one text. */
export function guestOf({
  metadata,
  spec,
}: {
  metadata: { namespace?: string };
  spec: { guest: { kind: GuestRecord['kind']; name: string } };
}): { kind: GuestRecord['kind']; key: string; text: string } {
  const { kind, name } = spec.guest;
  const key = keyOf({ namespace: metadata.namespace ?? 'default', name });
  return { kind, key, text: `${kind}/${key}` };
}

/** Has the guest's own controller look at it. */
export function wakeGuest({ guests, hands }: SnapshotWorld, record: GuestRecord): void {
  guests.enqueue(hands(record.kind).controller, keyOf(record));
}

/** Whether the guest of a record is seen here as the one the record speaks of. */
export function whereGuestIs(
  { hands }: SnapshotWorld,
  record: GuestRecord | undefined,
): 'Here' | 'Deleting' | 'Away' {
  const seen = record === undefined ? undefined : hands(record.kind).seen(keyOf(record));
  if (seen === undefined || seen.metadata.uid !== record?.uid) return 'Away';
  return seen.metadata.deletionTimestamp === undefined ? 'Here' : 'Deleting';
}
