/**
 * Says of each HAGroup whether its hosts exist, and what would become of its guests if a host was lost: what is wrong would only be noticed on
 * the day it happens.
 */
import type { GroupAvailability } from '../../api/availability.ts';
import { HAGroup, type HAGroupStatus } from '../../api/kinds/haGroup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { done, type Outcome, stalled, waiting } from '../../base/outcome.ts';
import type { Informer, InformerChange } from '../../client/contract.ts';
import { readiness, removeCondition, setCondition } from '../../runtime/conditions.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import { atMostEvery, trigger } from '../../runtime/trigger.ts';
import { figuresOf } from '../availability/count.ts';
import type { Guest } from '../guests.ts';
import { type OnPaper, onPaper, type PaperSources } from './onPaper.ts';
import { type Rehearsal, rehearseGroup } from './rehearsal.ts';

export type GroupSources = Omit<PaperSources, 'groups' | 'hosts'> & {
  groups: Informer<HAGroup>;
  hosts: Informer<Host>;
  /** Of both kinds; their changes are reasons to rehearse again. */
  guestInformers: readonly Pick<Informer<Guest>, 'kind' | 'onChange'>[];
  clock: Clock;
};

const WELL = { status: 'True', reason: 'HostsExist', message: '' } as const;
/** Of groups that tolerate something. */
export const TOLERATED = 'HostFailuresTolerated';
/** A rehearsal takes time, and guests and hosts change all the time. */
const REHEARSED_EVERY_MS = 10_000;

export function groupController(sources: GroupSources): Controller<HAGroup> {
  const { groups, hosts } = sources;
  const all = () => groups.list().map(({ metadata }) => metadata.name);
  return {
    name: 'ha-groups',
    kind: HAGroup,
    informer: groups,
    writes: ['status'],
    triggers: [
      trigger(hosts, ({ before, after }) => (before !== undefined && after !== undefined ? [] : all())),
      ...sources.guestInformers.map((informer) => trigger(informer as Informer<Guest>, groupsCounting)),
      ...reasonsToRehearse(sources),
    ],
    reconcile: async ({ object, now }) => {
      const outcome = judge(object, (name) => hosts.get(name) !== undefined);
      const { hostFailuresToTolerate } = object.spec;
      const paper =
        hostFailuresToTolerate === undefined
          ? undefined
          : onPaper({ ...sources, groups: () => groups.list(), hosts: () => hosts.list() });
      const members = sources.guests().filter(({ spec }) => spec.ha?.group === object.metadata.name);
      const availability = figuresOf(members.flatMap(({ status }) => status?.availability ?? []));
      const rehearsal = rehearsalOf(object, paper);
      return { outcome, status: statusOf(object, outcome, { rehearsal, availability }, now) };
    },
  };
}

/** The group whose figures change with this change of a guest; most changes are of something else. */
export function groupsCounting({ before, after }: InformerChange<Guest>): string[] {
  const [was, is] = [before?.status?.availability, after?.status?.availability];
  if (was?.since === is?.since && was?.state === is?.state) return [];
  return [before, after].flatMap((guest) => guest?.spec.ha?.group ?? []);
}

function reasonsToRehearse({ groups, hosts, guestInformers, clock }: GroupSources): Trigger[] {
  const rehearsing = () =>
    groups
      .list()
      .filter(({ spec }) => spec.hostFailuresToTolerate !== undefined)
      .map(({ metadata }) => metadata.name);
  return [hosts, ...guestInformers].map((informer) =>
    atMostEvery(REHEARSED_EVERY_MS, clock, trigger(informer as Informer<Host>, rehearsing)),
  );
}

function rehearsalOf({ metadata, spec }: HAGroup, paper: OnPaper | undefined): Rehearsal | undefined {
  return paper === undefined ? undefined : rehearseGroup(metadata.name, spec, paper);
}

function judge({ spec }: HAGroup, exists: (host: string) => boolean): Outcome {
  const unknown = spec.hosts.map(({ name }) => name).filter((name) => !exists(name));
  if (unknown.length === 0) return done;
  const message = `there is no Host ${unknown.join(', ')}: correct the names, or let the machines join`;
  return unknown.length === spec.hosts.length
    ? stalled('NoHosts', message)
    : waiting('HostUnknown', message, 600_000);
}

function statusOf(
  group: Stored<HAGroup>,
  outcome: Outcome,
  { rehearsal, availability }: { rehearsal: Rehearsal | undefined; availability: GroupAvailability },
  now: number,
): HAGroupStatus {
  const { generation } = group.metadata;
  const { rehearsal: _, availability: __, ...kept } = group.status ?? {};
  const at = { now, generation };
  const conditions = readiness(group.status?.conditions ?? [], outcome, WELL, at);
  return {
    ...kept,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: withTolerance(conditions, rehearsal?.tolerated, at),
    ...(availability.lastYear === undefined ? {} : { availability }),
    ...(rehearsal === undefined ? {} : { rehearsal: rehearsal.losses }),
  };
}

function withTolerance(
  conditions: readonly Condition[],
  tolerated: Rehearsal['tolerated'],
  at: { now: number; generation: number | undefined },
): Condition[] {
  return tolerated === undefined
    ? removeCondition(conditions, TOLERATED)
    : setCondition(conditions, { type: TOLERATED, ...tolerated }, at);
}
