/**
 * Gives an Operation the host that executes it, and ends those that no host can execute. What happens to the guest is the agent's work.
 */
import { strategyOf } from '../../api/guest.ts';
import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import { Operation } from '../../api/kinds/operation.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import type { StoredGuest } from '../guests.ts';
import { type JobDecision, jobController, jobEnd } from '../jobs.ts';

export type OperationSources = {
  operations: Informer<Operation>;
  guest(kind: 'VirtualMachine' | 'Container', key: string): StoredGuest | undefined;
};

export function operationController(
  { operations, guest }: OperationSources,
  triggers: readonly Trigger[],
): Controller<Operation> {
  return {
    ...jobController('operations', Operation, operations, {
      triggers,
      decide: ({ object, now }) => {
        const { namespace = 'default' } = object.metadata;
        const { kind, name } = object.spec.guest;
        return decideOperation(object, guest(kind, keyOf({ namespace, name })), now);
      },
    }),
    selects: ({ status }) => status?.host === undefined || status.completedAt !== undefined,
  };
}

function decideOperation(
  operation: Stored<Operation>,
  guest: StoredGuest | undefined,
  now: number,
): JobDecision {
  if (operation.status?.host !== undefined) return { type: 'rest' };
  if (isRestoredCopy(operation))
    return jobEnd('Skipped', 'RestoredCopy', 'this is a restored copy of an operation: it is never executed');
  const { guest: ref, action } = operation.spec;
  const afterMs = startDeadlineOf(operation) - now;
  if (afterMs <= 0)
    return jobEnd('Failed', 'Expired', 'the operation could not begin within startDeadlineSeconds');
  const wait = (reason: string, message: string) => ({ type: 'wait', reason, message, afterMs }) as const;
  if (guest === undefined)
    return wait('GuestNotFound', `${ref.kind} "${ref.name}" does not exist in this namespace`);
  const host = guest.status?.placement?.host;
  if (host !== undefined) return { type: 'assign', host };
  switch (action) {
    case 'Stop':
    case 'Shutdown':
      return jobEnd('Succeeded', 'NotRunning', 'the guest does not run');
    case 'Restart':
      return jobEnd('Failed', 'NotRunning', 'the guest does not run: use Start');
    case 'Start':
      return strategyOf(guest.spec) === 'Halted'
        ? jobEnd(
            'Failed',
            'RunStrategyHalted',
            'the runStrategy of the guest is Halted, or its ha.mode Disabled: change it to start the guest',
          )
        : wait('WaitingForPlacement', 'the guest has no host yet');
  }
}
