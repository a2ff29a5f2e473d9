/** Says of each HAGroup whether its hosts exist: a name that is wrong would only be noticed on the day a host is lost. */
import { HAGroup, type HAGroupStatus } from '../../api/kinds/haGroup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { done, type Outcome, stalled, waiting } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import { readiness } from '../../runtime/conditions.ts';
import type { Controller } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';

const WELL = { status: 'True', reason: 'HostsExist', message: '' } as const;

export function groupController(groups: Informer<HAGroup>, hosts: Informer<Host>): Controller<HAGroup> {
  return {
    name: 'ha-groups',
    kind: HAGroup,
    informer: groups,
    writes: ['status'],
    triggers: [
      trigger(hosts, ({ before, after }) =>
        before !== undefined && after !== undefined ? [] : groups.list().map(({ metadata }) => metadata.name),
      ),
    ],
    reconcile: async ({ object, now }) => {
      const outcome = judge(object, (name) => hosts.get(name) !== undefined);
      return { outcome, status: statusOf(object, outcome, now) };
    },
  };
}

function judge({ spec }: HAGroup, exists: (host: string) => boolean): Outcome {
  const unknown = spec.hosts.map(({ name }) => name).filter((name) => !exists(name));
  if (unknown.length === 0) return done;
  const message = `there is no Host ${unknown.join(', ')}: correct the names, or let the machines join`;
  return unknown.length === spec.hosts.length
    ? stalled('NoHosts', message)
    : waiting('HostUnknown', message, 600_000);
}

function statusOf(group: Stored<HAGroup>, outcome: Outcome, now: number): HAGroupStatus {
  const { generation } = group.metadata;
  return {
    ...group.status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: readiness(group.status?.conditions ?? [], outcome, WELL, { now, generation }),
  };
}
