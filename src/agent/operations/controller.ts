/**
 * Executes the Operations given to this host. An operation is stamped, written into its guest's record (which is what the guest's own
 * controller acts on) and then followed to its end: after a crash at any line the record says whether it was accepted.
 */

import { type GuestSpec, strategyOf } from '../../api/guest.ts';
import { startedStamp } from '../../api/job.ts';
import { Operation } from '../../api/kinds/operation.ts';
import type { Informer } from '../../client/contract.ts';
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { Controller, Pass } from '../../runtime/contract.ts';
import { CONTROLLERS, OPERATION_ACCESS } from '../access.ts';
import type { Announcement } from '../announcement.ts';
import { acceptOperation } from '../guests/run.ts';
import { onSettled } from '../jobs/guest.ts';
import { JOB_STATUS_PATHS, jobResult } from '../jobs/status.ts';
import type { GuestRecord } from '../record.ts';
import type { Records } from '../records.ts';
import { guestOf } from '../snapshots/world.ts';
import { decideOperation, follow, type OperationDecision, type OperationFacts } from './decide.ts';

type GuestKindName = GuestRecord['kind'];
type OperationStep = Exclude<OperationDecision, { type: 'accept' }>;

export type OperationOptions = {
  informer: Informer<Operation>;
  records: Records;
  /** The object of a guest placed here, by kind and key. */
  guest(
    kind: GuestKindName,
    key: string,
  ): { spec: GuestSpec; metadata: { deletionTimestamp?: string } } | undefined;
  observe(record: GuestRecord): Promise<GuestObservation>;
  /** Has the guest looked at again. */
  wakeGuest(kind: GuestKindName, key: string): void;
  /** `<kind>/<namespace>/<name>` of each guest whose pass has ended. */
  settled: Announcement<string>;
};

export function operationController(options: OperationOptions): Controller<Operation> {
  const { informer, settled } = options;
  return {
    name: CONTROLLERS.operations,
    kind: Operation,
    informer,
    writes: JOB_STATUS_PATHS,
    access: OPERATION_ACCESS,
    selects: ({ status }) => status?.completedAt === undefined,
    stamp: ({ metadata }) => startedStamp(metadata),
    triggers: [onSettled(settled, informer)],
    concurrency: 8,
    reconcile: async (pass) => jobResult(pass.object, await execute(options, pass), pass.now),
  };
}

async function execute(options: OperationOptions, pass: Pass<Operation>): Promise<OperationStep> {
  if (pass.object.metadata.deletionTimestamp !== undefined) return { type: 'rest' };
  const decision = decideOperation(await factsOf(options, pass));
  return decision.type === 'accept' ? accept(options, pass, decision) : decision;
}

async function factsOf(options: OperationOptions, { object, now }: Pass<Operation>): Promise<OperationFacts> {
  const { kind, key } = guestOf(object);
  const guest = options.guest(kind, key);
  const record = options.records.byKey(kind, key);
  return {
    operation: object,
    guest:
      guest === undefined
        ? undefined
        : {
            strategy: strategyOf(guest.spec),
            deleting: guest.metadata.deletionTimestamp !== undefined,
          },
    run: record?.run,
    observation: record === undefined ? undefined : await options.observe(record),
    now,
  };
}

/** The record is where it takes effect; the stamp that tells it from a copy restored later stands already. */
async function accept(
  options: OperationOptions,
  pass: Pass<Operation>,
  decision: Extract<OperationDecision, { type: 'accept' }>,
): Promise<OperationStep> {
  const { object, now } = pass;
  const { metadata, spec } = object;
  const { kind, key } = guestOf(object);
  const record = options.records.byKey(kind, key);
  if (record === undefined)
    return { type: 'wait', reason: 'GuestNotHere', message: 'the guest has just gone', afterMs: 1_000 };
  const accepted = {
    uid: metadata.uid,
    name: metadata.name,
    createdAt: metadata.creationTimestamp ?? new Date(now).toISOString(),
    acceptedAt: now,
  };
  await options.records.update(record.id, (before) => {
    const current = before ?? record;
    const wish = { action: spec.action, strategy: decision.strategy };
    return { ...current, run: acceptOperation(current.run, accepted, wish) };
  });
  pass.event('Normal', 'Accepted', `${spec.action} of ${kind} ${spec.guest.name}`);
  options.wakeGuest(kind, key);
  // The operation before this one learns that it was overtaken.
  options.settled.tell(guestOf(object).text);
  return follow(spec.action);
}
