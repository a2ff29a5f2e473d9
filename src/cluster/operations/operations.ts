/**
 * Gives an Operation the host that executes it, and ends those that no host can execute. What happens to the guest is the agent's work.
 */
import { STARTED_ANNOTATION } from '../../api/cluster.ts';
import { strategyOf } from '../../api/guest.ts';
import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { Host } from '../../api/kinds/host.ts';
import { Operation } from '../../api/kinds/operation.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { StoredGuest } from '../guests.ts';
import { type JobDecision, jobController, jobEnd } from '../jobs.ts';
import { isLost } from '../snapshots/heirs.ts';

export type OperationSources = {
  operations: Informer<Operation>;
  guest(kind: 'VirtualMachine' | 'Container', key: string): StoredGuest | undefined;
  hosts: Informer<Host>;
};

export function operationController(
  { operations, guest, hosts }: OperationSources,
  triggers: readonly Trigger[],
): Controller<Operation> {
  return {
    ...jobController('operations', Operation, operations, {
      triggers,
      decide: ({ object, now }) => {
        const { namespace = 'default' } = object.metadata;
        const { kind, name } = object.spec.guest;
        const isHostLost = (host: string) => isLost(hosts.get(host));
        return decideOperation(object, { guest: guest(kind, keyOf({ namespace, name })), isHostLost, now });
      },
    }),
    // What has a host is that one's while it is there.
    selects: ({ status }) =>
      status?.host === undefined || status.completedAt !== undefined || isLost(hosts.get(status.host)),
  };
}

/** A host was lost or removed: those that it has not ended. */
export function operationsOfHosts({ hosts, operations }: Omit<OperationSources, 'guest'>): Trigger {
  return trigger(hosts, ({ before, after }) =>
    before === undefined || !isLost(after)
      ? []
      : operations
          .list()
          .filter(({ status }) => status?.host === before.metadata.name && status.completedAt === undefined)
          .map(({ metadata }) => keyOf(metadata)),
  );
}

type Facts = { guest: StoredGuest | undefined; isHostLost(host: string): boolean; now: number };

function decideOperation(operation: Stored<Operation>, { guest, isHostLost, now }: Facts): JobDecision {
  const { host: own } = operation.status ?? {};
  if (own !== undefined && !isHostLost(own)) return { type: 'rest' };
  if (isRestoredCopy(operation))
    return jobEnd('Skipped', 'RestoredCopy', 'this is a restored copy of an operation: it is never executed');
  const { guest: ref, action } = operation.spec;
  const host = guest?.status?.placement?.host;
  if (own !== undefined && hasBegun(operation)) return endBegun(own, host);
  const afterMs = startDeadlineOf(operation) - now;
  if (afterMs <= 0)
    return jobEnd('Failed', 'Expired', 'the operation could not begin within startDeadlineSeconds');
  const wait = (reason: string, message: string) => ({ type: 'wait', reason, message, afterMs }) as const;
  if (guest === undefined)
    return wait('GuestNotFound', `${ref.kind} "${ref.name}" does not exist in this namespace`);
  if (host !== undefined && host === own)
    return wait('HostLost', `its host ${host} is lost: it is waited for, or for another host of the guest`);
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

/** Its host may have begun: it stamps what it is about to begin before it says so. */
function hasBegun({ metadata, status }: Stored<Operation>): boolean {
  return status?.phase === 'Running' || metadata.annotations?.[STARTED_ANNOTATION] !== undefined;
}

/** By a host that is lost: once the guest is elsewhere nobody goes on with it. */
function endBegun(own: string, host: string | undefined): JobDecision {
  if (host === own) return { type: 'rest' };
  const now = host === undefined ? 'the guest is on no host now' : `the guest is on ${host} now`;
  return jobEnd('Failed', 'HostLost', `the host ${own} was lost before it was over, and ${now}`);
}
