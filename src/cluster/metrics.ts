/** What the leader knows of hosts, guests and groups, as metrics: read from informers whenever it is asked for. docs/metrics.md lists them. */

import type { GroupAvailability } from '../api/availability.ts';
import { Container } from '../api/kinds/container.ts';
import { FenceAction } from '../api/kinds/fenceAction.ts';
import { HAGroup } from '../api/kinds/haGroup.ts';
import { Host } from '../api/kinds/host.ts';
import { VirtualMachine } from '../api/kinds/virtualMachine.ts';
import type { Counter, Metrics, Sample } from '../base/metrics.ts';
import type { Informer, InformerChange, Informers } from '../client/contract.ts';
import { findCondition } from '../runtime/conditions.ts';
import { type Guest, nameOf } from './guests.ts';

/** Reads the informers that the controllers share. Returns the end of it: who does not lead any more says nothing. */
export function addClusterMetrics(metrics: Metrics, informers: Informers): () => void {
  const hosts = informers.informer(Host);
  const groups = informers.informer(HAGroup);
  const machines = informers.informer(VirtualMachine);
  const containers = informers.informer(Container);
  const guests = (): readonly Guest[] => [...machines.list(), ...containers.list()];
  const ends = [
    metrics.gauge('vireo_hosts', 'Hosts by state.', () =>
      counted(hosts.list(), ({ status }) => ({ state: status?.state ?? 'Unknown' })),
    ),
    metrics.gauge('vireo_host_ha_state', 'What high availability makes of each host, 1 for that state.', () =>
      hosts.list().flatMap(({ metadata, status }) => {
        const state = status?.ha?.state;
        return state === undefined ? [] : [{ labels: { host: metadata.name, state }, value: 1 }];
      }),
    ),
    metrics.gauge('vireo_guests', 'Guests by kind and phase.', () =>
      counted(guests(), (guest) => ({
        kind: nameOf(guest).kind,
        phase: guest.status?.phase ?? 'Pending',
      })),
    ),
    metrics.gauge(
      'vireo_guest_ha_state',
      'What high availability makes of each guest, 1 for that state.',
      () =>
        guests().flatMap((guest) => {
          const state = guest.status?.ha?.state;
          return state === undefined ? [] : [{ labels: { ...nameOf(guest), state }, value: 1 }];
        }),
    ),
    metrics.gauge(
      'vireo_guest_availability_ratio',
      'Share of the time in which a guest with ha was to run that it ran.',
      () => guests().flatMap((guest) => ratios(guest.status?.availability, nameOf(guest))),
    ),
    metrics.gauge(
      'vireo_hagroup_availability_ratio',
      'Share of the time in which the guests of a group were to run that they ran.',
      () =>
        groups
          .list()
          .flatMap(({ metadata, status }) => ratios(status?.availability, { hagroup: metadata.name })),
    ),
    metrics.gauge('vireo_hagroup_members', 'Guests of each group.', () =>
      groups.list().flatMap(({ metadata, status }) => {
        const value = status?.members;
        return value === undefined ? [] : [{ labels: { hagroup: metadata.name }, value }];
      }),
    ),
    ...['HostFailuresTolerated', 'Feasible'].map((type) =>
      metrics.gauge('vireo_hagroup_condition', 'Conditions of groups that judge them: 1 when True.', () =>
        truths(groups, type),
      ),
    ),
    informers
      .informer(FenceAction)
      .onChange(
        countFences(
          metrics.counter(
            'vireo_fence_actions_total',
            'FenceActions that have ended since this manager leads, by how.',
          ),
        ),
      ),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function counted<T>(objects: readonly T[], labelsOf: (object: T) => Record<string, string>): Sample[] {
  const samples = new Map<string, { labels: Record<string, string>; value: number }>();
  for (const object of objects) {
    const labels = labelsOf(object);
    const key = JSON.stringify(labels);
    const sample = samples.get(key) ?? { labels, value: 0 };
    sample.value += 1;
    samples.set(key, sample);
  }
  return [...samples.values()];
}

/** The figures of a status are in per cent. */
function ratios(of: GroupAvailability | undefined, labels: Record<string, string>): Sample[] {
  const figures = [
    ['30d', of?.last30Days],
    ['1y', of?.lastYear],
  ] as const;
  return figures.flatMap(([window, percent]) =>
    percent === undefined
      ? []
      : [{ labels: { ...labels, window }, value: Number((Number(percent) / 100).toFixed(5)) }],
  );
}

function truths(groups: Informer<HAGroup>, type: string): Sample[] {
  return groups.list().flatMap(({ metadata, status }) => {
    const condition = findCondition(status?.conditions, type);
    const labels = { hagroup: metadata.name, condition: type };
    return condition === undefined ? [] : [{ labels, value: condition.status === 'True' ? 1 : 0 }];
  });
}

/** Each action once, when it is seen to end. */
function countFences(counter: Counter) {
  return ({ before, after }: InformerChange<FenceAction>): void => {
    const [was, is] = [before?.status?.phase, after?.status?.phase];
    if (before === undefined || after === undefined || is === undefined || is === was || is === 'Running')
      return;
    counter.add({ host: after.spec.host, method: after.spec.method, result: is });
  };
}
