/**
 * The gate before a guest's first instruction: this host's lease is valid, and a consistent read shows the guest still placed here with
 * the recorded epoch by a control plane that has not gone back. Closed means: not now, and not a failure of the guest.
 */
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { Life } from '../../keeper/contract.ts';
import type { GuestObject } from './kind.ts';

/** The start was forbidden; nothing runs. */
export class GateClosed extends ReasonedError {
  constructor(reason: string, message: string) {
    super(reason, message);
    this.name = 'GateClosed';
  }
}

export type GateDeps = {
  host: string;
  uid: string;
  epoch: number;
  isLeaseValid(): boolean;
  isTrusted(): boolean;
  /** Why this host starts nobody any more; undefined: it does. */
  ending(): { reason: string; message: string } | undefined;
  /** Consistent reads: never from a cache. */
  readGuest(): Promise<Stored<GuestObject> | undefined>;
  readCluster(): Promise<Readonly<Record<string, string>> | undefined>;
  matchesCluster(data: Readonly<Record<string, string>> | undefined): boolean;
  guard: {
    /** A guest with `ha`: the keeper guards it first, and the manager's word must be for the present life of the host. */
    needs(guest: Stored<GuestObject>): boolean;
    hold(): Promise<Life>;
    admit(guest: Stored<GuestObject> | undefined, life: Life): Promise<void>;
  };
};

/** Throws GateClosed unless the guest may run here now. */
export async function passGate(deps: GateDeps): Promise<void> {
  requireHost(deps);
  const [guest, cluster] = await Promise.all([deps.readGuest(), deps.readCluster()]);
  if (!deps.matchesCluster(cluster)) {
    throw new GateClosed('ControlPlaneRolledBack', 'the control plane is not the one this host last knew');
  }
  requirePlacement(deps, guest);
  if (guest !== undefined && deps.guard.needs(guest)) {
    const life = await deps.guard.hold();
    // The word is read after the Lease lists the guest: from then on nobody takes it for one that was never started.
    const again = await deps.readGuest();
    requirePlacement(deps, again);
    await deps.guard.admit(again, life);
  }
  // The reads took time: the lease is looked at again after them.
  requireHost(deps);
}

/** What this host itself knows: looked at once more right before the guest's first instruction. Throws GateClosed. */
export function requireHost({ isLeaseValid, isTrusted, ending }: GateDeps): void {
  const end = ending();
  if (end !== undefined) throw new GateClosed(end.reason, end.message);
  if (!isLeaseValid()) {
    throw new GateClosed(
      'LeaseNotHeld',
      "this host's lease is not valid: guests start when it has been renewed",
    );
  }
  if (!isTrusted()) {
    throw new GateClosed('ControlPlaneRolledBack', 'the control plane cannot be trusted at the moment');
  }
}

function requirePlacement({ host, uid, epoch }: GateDeps, guest: Stored<GuestObject> | undefined): void {
  const placement = guest?.status?.placement;
  const isHere =
    guest?.metadata.uid === uid &&
    guest.metadata.deletionTimestamp === undefined &&
    placement?.host === host &&
    placement.epoch === epoch;
  if (!isHere) {
    throw new GateClosed(
      'PlacementChanged',
      'the guest has been deleted or placed anew while it was starting',
    );
  }
}
