/** Whether this host may do anything for a guest at all: its placement, its record, the control plane's word, the host's allow-list. Pure. */
import { done, type Outcome, stalled, waiting } from '../../base/outcome.ts';
import type { NicWish } from '../../drivers/network/contract.ts';
import type { Trust } from '../cluster/controlPlane.ts';
import type { AgentConfig } from '../config.ts';
import type { GuestRecord } from '../record.ts';

/** Annotation by which a person lets a new object take over what an earlier object of its name left running: the earlier one's uid. */
export const ADOPT_ANNOTATION = 'vireo.dev/adopt';

export type AdmissionFacts = {
  host: string;
  uid: string;
  annotations: Readonly<Record<string, string>>;
  placement: { host: string; epoch: number } | undefined;
  record: GuestRecord | undefined;
  /** Of a guest without a record: as which it left this host. */
  left: { uid: string; epoch: number } | undefined;
  recordBroken: boolean;
  /** True unless it is certain that no process of the guest exists. */
  mayRun: boolean;
  trust: Trust;
  /** `done`: no other host was given the guest later. */
  elsewhere: Outcome;
};

/** `done`: go on. Anything else: nothing is touched, what runs runs on. */
export function admitGuest(facts: AdmissionFacts): Outcome {
  const { trust, placement, record, host } = facts;
  if (trust.type === 'Unknown') return waiting(trust.reason, trust.message);
  if (trust.type === 'RolledBack') return waiting('ControlPlaneRolledBack', trust.message);
  if (placement?.host !== host) return waiting('NotPlacedHere', 'the guest is placed on another host');
  if (facts.recordBroken) {
    return stalled(
      'RecordBroken',
      "this host's record of the guest cannot be read: restore it from a backup",
    );
  }
  if (facts.elsewhere.type !== 'done') return facts.elsewhere;
  if (record === undefined) return admitUnknown(facts, placement);
  if (record.uid !== facts.uid) return admitHeir(facts, record);
  if (placement.epoch < record.epoch) {
    return waiting(
      'ControlPlaneRolledBack',
      'the guest was placed here with a newer epoch than the API shows',
    );
  }
  return done;
}

/** What left this host a moment ago may still be seen here: all of it would be made anew, beside what it took along. */
function admitUnknown({ left, uid }: AdmissionFacts, placement: { epoch: number }): Outcome {
  if (left?.uid !== uid || placement.epoch > left.epoch) return done;
  return waiting('GuestLeft', 'the guest has left this host, which does not see its new placement yet');
}

/** The object is another than the record's, with the same name: a restored copy, or made again after a forced deletion. */
function admitHeir({ mayRun, annotations }: AdmissionFacts, record: GuestRecord): Outcome {
  if (!mayRun || annotations[ADOPT_ANNOTATION] === record.uid) return done;
  const message = `a guest of an earlier object with this name still runs here: to take it over set the annotation ${ADOPT_ANNOTATION}=${record.uid}`;
  return stalled('RunsForAnotherObject', message);
}

/** True when the record proves that the API's store went back: the same object, placed with an older epoch. */
export function isEpochBehind(
  record: GuestRecord | undefined,
  uid: string,
  placement: { host: string; epoch: number } | undefined,
): boolean {
  return record?.uid === uid && placement !== undefined && placement.epoch < record.epoch;
}

/** What the owner of this host lets guests have. */
export function checkAllowList(
  config: Pick<AgentConfig, 'bridges' | 'allowPrivilegedContainers'>,
  guest: { privileged: boolean; nics: readonly NicWish[] },
): Outcome {
  if (guest.privileged && !config.allowPrivilegedContainers) {
    const message =
      'this host allows no privileged containers: set allowPrivilegedContainers: true in its agent.yaml, or spec.unprivileged: true';
    return stalled('PrivilegedNotAllowed', message);
  }
  for (const { name, to } of guest.nics) {
    if (to.type === 'Bridge' && !config.bridges.includes(to.bridge)) {
      const message = `the interface ${name}: this host does not allow guests on the bridge ${to.bridge}: add it to bridges in its agent.yaml`;
      return stalled('BridgeNotAllowed', message);
    }
  }
  return done;
}
