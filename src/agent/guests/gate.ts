/**
 * The gate before a guest's first instruction: this host's lease is valid, and a consistent read shows the guest still placed here with
 * the recorded epoch by a control plane that has not gone back. Closed means: not now, and not a failure of the guest.
 */
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
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
  /** Consistent reads: never from a cache. */
  readGuest(): Promise<Stored<GuestObject> | undefined>;
  readCluster(): Promise<Readonly<Record<string, string>> | undefined>;
  matchesCluster(data: Readonly<Record<string, string>> | undefined): boolean;
};

/** Throws GateClosed unless the guest may run here now. */
export async function passGate(deps: GateDeps): Promise<void> {
  requireHost(deps);
  const [guest, cluster] = await Promise.all([deps.readGuest(), deps.readCluster()]);
  if (!deps.matchesCluster(cluster)) {
    throw new GateClosed('ControlPlaneRolledBack', 'the control plane is not the one this host last knew');
  }
  requirePlacement(deps, guest);
  // The reads took time: the lease is looked at again after them.
  requireHost(deps);
}

function requireHost({ isLeaseValid, isTrusted }: GateDeps): void {
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
