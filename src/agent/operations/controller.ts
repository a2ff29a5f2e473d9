/**
 * Executes the Operations given to this host. An operation is stamped, written into its guest's record (which is what the guest's own
 * controller acts on) and then followed to its end: after a crash at any line the record says whether it was accepted.
 */

import type { GuestSpec } from '../../api/guest.ts';
import { startedStamp } from '../../api/job.ts';
import { Operation } from '../../api/kinds/operation.ts';
import { done, waiting } from '../../base/outcome.ts';
import type { Informer, Informers } from '../../client/contract.ts';
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { CONTROLLERS, OPERATION_ACCESS } from '../access.ts';
import type { Announcement } from '../announcement.ts';
import { acceptOperation } from '../guests/run.ts';
import { JOB_STATUS_PATHS, jobStatus } from '../jobStatus.ts';
import type { GuestRecord } from '../record.ts';
import type { Records } from '../records.ts';
import { decideOperation, followMessage, type OperationDecision, type OperationFacts } from './decide.ts';

type GuestKindName = 'VirtualMachine' | 'Container';

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

/** A guest that says nothing of its end is looked at again after this. */
const FOLLOW_MS = 60_000;

/** The informer of operations given to this host, with the index its trigger uses. */
export function operationInformer(informers: Informers, host: string): Informer<Operation> {
  return informers.informer(Operation, {
    fieldSelector: `status.host=${host}`,
    indexes: { guest: (operation) => [guestOf(operation).text] },
  });
}

function guestOf({ spec, metadata }: Operation): { kind: GuestKindName; key: string; text: string } {
  const key = `${metadata.namespace ?? 'default'}/${spec.guest.name}`;
  return { kind: spec.guest.kind, key, text: `${spec.guest.kind}/${key}` };
}

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
    triggers: [
      {
        subscribe: (enqueue) =>
          settled.listen((guest) => {
            for (const { metadata } of informer.byIndex('guest', guest)) {
              enqueue(`${metadata.namespace ?? 'default'}/${metadata.name}`);
            }
          }),
      },
    ],
    concurrency: 8,
    reconcile: (pass) => execute(options, pass),
  };
}

async function execute(options: OperationOptions, pass: Pass<Operation>): Promise<PassResult<Operation>> {
  const operation = pass.object;
  if (operation.metadata.deletionTimestamp !== undefined) return { outcome: done };
  const decision = decideOperation(await factsOf(options, pass));
  switch (decision.type) {
    case 'accept':
      return accept(options, pass, decision);
    case 'wait':
      return {
        outcome: waiting(decision.reason, decision.message, decision.afterMs),
        status: jobStatus(operation, decision, pass.now),
      };
    case 'follow':
      return {
        outcome: waiting('Running', decision.message, FOLLOW_MS),
        status: jobStatus(operation, decision, pass.now),
      };
    case 'end':
      return { outcome: done, status: jobStatus(operation, decision, pass.now) };
  }
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
            strategy: guest.spec.runStrategy ?? 'Always',
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
): Promise<PassResult<Operation>> {
  const { object, now } = pass;
  const { metadata, spec } = object;
  const { kind, key } = guestOf(object);
  const record = options.records.byKey(kind, key);
  if (record === undefined)
    return { outcome: waiting('GuestNotHere', 'the guest has just been removed', 1_000) };
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
  const message = followMessage(spec.action);
  const status = jobStatus(object, { type: 'follow', message }, now);
  return { outcome: waiting('Running', message, FOLLOW_MS), status };
}
