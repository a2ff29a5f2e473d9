/**
 * Says of each HAGroup whether its hosts exist, whether its rules can be kept, and what would become of its guests if a host was lost: what is wrong
 * would only be noticed on the day it happens.
 */
import type { GroupAvailability } from '../../api/availability.ts';
import type { ClusterPolicy } from '../../api/kinds/clusterPolicy.ts';
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
import type { Guest, StoredGuest } from '../guests.ts';
import type { FindGroup, Membership } from '../placement/membership.ts';
import { type Feasibility, feasibilityOf } from './feasible.ts';
import { guestId } from './guestViews.ts';
import { type OnPaper, onPaper, type PaperSources } from './onPaper.ts';
import { type Rehearsal, rehearseGroup } from './rehearsal.ts';

export type GroupSources = Omit<PaperSources, 'groups' | 'hosts' | 'membership' | 'policy'> & {
  membership: Membership;
  groups: Informer<HAGroup>;
  policies: Informer<ClusterPolicy>;
  hosts: Informer<Host>;
  /** Of both kinds; their changes are reasons to rehearse again. */
  guestInformers: readonly Pick<Informer<Guest>, 'kind' | 'onChange'>[];
  clock: Clock;
};

const NAMED = 8;
const WELL = { status: 'True', reason: 'HostsExist', message: '' } as const;
/** Of groups that tolerate something. */
export const TOLERATED = 'HostFailuresTolerated';
/** Of groups that require their guests to keep together or apart. */
export const FEASIBLE = 'Feasible';
/** There while it is true. */
export const OVERLAP = 'SelectorsOverlap';
/** Guests of one file come one after the other. */
const COUNTED_EVERY_MS = 1_000;
/** A rehearsal takes time, and guests and hosts change all the time. */
const REHEARSED_EVERY_MS = 10_000;

export function groupController(sources: GroupSources): Controller<HAGroup> {
  const { groups, hosts, policies, membership } = sources;
  const policy = () => policies.list()[0];
  const all = () => groups.list().map(({ metadata }) => metadata.name);
  return {
    name: 'ha-groups',
    kind: HAGroup,
    informer: groups,
    writes: ['status'],
    triggers: [
      trigger(hosts, ({ before, after }) => (before !== undefined && after !== undefined ? [] : all())),
      trigger(groups, ({ before, after }) =>
        JSON.stringify(before?.spec.guestSelector) === JSON.stringify(after?.spec.guestSelector) ? [] : all(),
      ),
      ...sources.guestInformers.flatMap((informer) => [
        trigger(informer as Informer<Guest>, groupsCounting(membership.groupOf)),
        atMostEvery(
          COUNTED_EVERY_MS,
          sources.clock,
          trigger(informer as Informer<Guest>, groupsJoined(membership)),
        ),
      ]),
      ...reasonsToRehearse(sources),
    ],
    reconcile: async ({ object, now }) => {
      const outcome = judge(object, (name) => hosts.get(name) !== undefined);
      const { hostFailuresToTolerate } = object.spec;
      const paper =
        hostFailuresToTolerate === undefined
          ? undefined
          : onPaper({ ...sources, policy, groups: () => groups.list(), hosts: () => hosts.list() });
      const { name } = object.metadata;
      const guests = sources.guests();
      const members = guests.filter((guest) => membership.groupOf(guest)?.name === name);
      const found = {
        members: members.length,
        availability: figuresOf(members.flatMap(({ status }) => status?.availability ?? [])),
        rehearsal: rehearsalOf(object, paper),
        feasibility: feasibilityOf({ spec: object.spec, members, guests, hosts: hosts.list() }),
        overlap: overlapOf(name, guests, membership),
      };
      return { outcome, status: statusOf(object, outcome, found, now) };
    },
  };
}

/** The group whose figures change with this change of a guest; most changes are of something else. */
export function groupsCounting(groupOf: FindGroup) {
  return ({ before, after }: InformerChange<Guest>): string[] => {
    const [was, is] = [before?.status?.availability, after?.status?.availability];
    if (was?.since === is?.since && was?.state === is?.state) return [];
    return [before, after].flatMap((guest) => (guest === undefined ? [] : (groupOf(guest)?.name ?? [])));
  };
}

/** Groups that a guest has come to or left, or whose rules it may contradict now. */
function groupsJoined({ groupOf, selecting }: Membership) {
  const said = (guest: Guest | undefined) =>
    guest === undefined ? '' : JSON.stringify([guest.spec, guest.metadata.labels]);
  return ({ before, after }: InformerChange<Guest>): string[] =>
    before?.spec === after?.spec || said(before) === said(after)
      ? []
      : [before, after].flatMap((guest) =>
          guest === undefined
            ? []
            : [groupOf(guest), ...selecting(guest)].flatMap((group) => group?.name ?? []),
        );
}

/** Guests that the group selects and that belong to another one, in words. */
function overlapOf(
  name: string,
  guests: readonly StoredGuest[],
  { selecting }: Membership,
): string | undefined {
  const lost = guests.flatMap((guest) => {
    const [first, ...others] = selecting(guest);
    return first !== undefined && others.some((group) => group.name === name)
      ? [`${guestId(guest)} (${first.name})`]
      : [];
  });
  if (lost.length === 0) return undefined;
  const more = lost.length > NAMED ? ` and ${lost.length - NAMED} others` : '';
  return `these belong to another HAGroup that selects them and comes first by name: ${lost.slice(0, NAMED).join(', ')}${more}. Narrow one guestSelector, or name the group in their spec.ha.group`;
}

function reasonsToRehearse({ groups, hosts, policies, guestInformers, clock }: GroupSources): Trigger[] {
  const rehearsing = () =>
    groups
      .list()
      .filter(({ spec }) => spec.hostFailuresToTolerate !== undefined)
      .map(({ metadata }) => metadata.name);
  const isDeclaredAnew = ({ before, after }: InformerChange<ClusterPolicy>) =>
    before?.spec.memoryOvercommit !== after?.spec.memoryOvercommit || !before !== !after;
  const triggers = [
    ...[hosts, ...guestInformers].map((informer) => trigger(informer as Informer<Host>, rehearsing)),
    trigger(policies, (change) => (isDeclaredAnew(change) ? rehearsing() : [])),
  ];
  return triggers.map((one) => atMostEvery(REHEARSED_EVERY_MS, clock, one));
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

type Found = {
  members: number;
  rehearsal: Rehearsal | undefined;
  availability: GroupAvailability;
  feasibility: Feasibility | undefined;
  overlap: string | undefined;
};

function statusOf(
  group: Stored<HAGroup>,
  outcome: Outcome,
  { members, rehearsal, availability, feasibility, overlap }: Found,
  now: number,
): HAGroupStatus {
  const { generation } = group.metadata;
  const { rehearsal: _, availability: __, ...kept } = group.status ?? {};
  const at = { now, generation };
  const conditions = readiness(group.status?.conditions ?? [], outcome, WELL, at);
  return {
    ...kept,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: [
      [TOLERATED, rehearsal?.tolerated] as const,
      [FEASIBLE, feasibility] as const,
      [OVERLAP, overlap === undefined ? undefined : overlapping(overlap)] as const,
    ].reduce((known, [type, said]) => withCondition(known, type, said, at), conditions),
    members,
    ...(availability.lastYear === undefined ? {} : { availability }),
    ...(rehearsal === undefined ? {} : { rehearsal: rehearsal.losses }),
  };
}

function overlapping(message: string): Feasibility {
  return { status: 'True', reason: 'OtherGroupFirst', message };
}

function withCondition(
  conditions: Condition[],
  type: string,
  said: Feasibility | undefined,
  at: { now: number; generation: number | undefined },
): Condition[] {
  return said === undefined
    ? removeCondition(conditions, type)
    : setCondition(conditions, { type, ...said }, at);
}
