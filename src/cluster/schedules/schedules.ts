/** Makes Snapshots or Backups at the times of schedules, exactly one per guest and time through crashes and new leaders, and deletes old ones. */
import type { KindDefinition } from '../../api/kind.ts';
import { Backup } from '../../api/kinds/backup.ts';
import { BackupSchedule } from '../../api/kinds/backupSchedule.ts';
import { Snapshot } from '../../api/kinds/snapshot.ts';
import { SnapshotSchedule } from '../../api/kinds/snapshotSchedule.ts';
import type { KubeObject, Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { done, type Outcome, outcomeOf, stalled, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { nameOf, type StoredGuest } from '../guests.ts';
import { conditionsFor } from '../readiness.ts';
import { backupSpec, isExhausted } from './backups.ts';
import { latestTick, nextTick, parseCron, zoneNamed } from './cron.ts';
import { childName, isSelected, SCHEDULE_LABEL, surplus } from './plan.ts';
import { previewOf } from './preview.ts';
import { surplusBackups } from './retention.ts';
import type { IsGone } from './sound.ts';

type AnySchedule = SnapshotSchedule | BackupSchedule;
type Child = Snapshot | Backup;

export type ScheduleSources<S extends AnySchedule, C extends Child> = {
  schedules: Informer<S>;
  /** What the schedules made; has the indexes `schedule`: `<namespace>/<schedule>`, and `guest`: `<kind>/<namespace>/<name>`. */
  children: Informer<C>;
  /** All guests of a namespace. */
  guestsIn(namespace: string): readonly StoredGuest[];
  clusterId(): string;
  /** Names of the children in a namespace that somebody is about to have back. */
  wantedIn?(namespace: string): ReadonlySet<string>;
};

/** Of one guest: what its schedule made, and all there is. */
type OfGuest<C extends Child> = { children: readonly Stored<C>[]; all: readonly Stored<C>[] };

/** What a status says beside its conditions; of Snapshots nothing is retained by rules. */
type Told = Pick<NonNullable<BackupSchedule['status']>, 'lastTick' | 'nextTick' | 'retention'>;

/** What is different about the schedules of one kind. */
type Rules<S extends AnySchedule, C extends Child> = {
  name: string;
  kind: KindDefinition<S>;
  child: KindDefinition<C>;
  specFor(schedule: S, guest: Child['spec']['guest'], tick: number): C['spec'];
  /** Of these children of one guest so many failed, one after the other, that no more are to be made. */
  isExhausted(children: readonly Stored<C>[], schedule: S): boolean;
  /** Of the children of one guest those that go; `all`: of that guest, whoever made them. */
  surplus(
    children: readonly Stored<C>[],
    schedule: S,
    of: { zone: Intl.DateTimeFormat; all: readonly Stored<C>[]; wanted: ReadonlySet<string> },
  ): readonly Stored<C>[];
  /** What more its status says. */
  more?(
    guests: readonly OfGuest<C>[],
    schedule: S,
    of: { zone: Intl.DateTimeFormat; next: number; wanted: ReadonlySet<string> },
  ): Pick<Told, 'retention'>;
};

/** The index of Snapshots and Backups by the schedule that made them. */
export function scheduleOf({ metadata }: KubeObject): string[] {
  const name = metadata.labels?.[SCHEDULE_LABEL];
  return name === undefined ? [] : [`${metadata.namespace ?? 'default'}/${name}`];
}

export function snapshotSchedules(
  sources: ScheduleSources<SnapshotSchedule, Snapshot>,
): Controller<SnapshotSchedule> {
  return scheduleController(sources, {
    name: 'snapshot-schedules',
    kind: SnapshotSchedule,
    child: Snapshot,
    specFor: (_schedule, guest) => ({ guest }),
    isExhausted: () => false,
    surplus: (children, { spec }) => surplus(children, spec.keep),
  });
}

export function backupSchedules({
  isGone,
  ...sources
}: ScheduleSources<BackupSchedule, Backup> & { isGone: IsGone }): Controller<BackupSchedule> {
  return scheduleController(sources, {
    name: 'backup-schedules',
    kind: BackupSchedule,
    child: Backup,
    specFor: backupSpec,
    isExhausted: (children, { spec }) => isExhausted(children, spec.maxFailures),
    surplus: (children, { spec }, of) => surplusBackups(children, spec.retention ?? {}, { ...of, isGone }),
    more: (guests, { spec }, of) =>
      spec.retention === undefined ? {} : { retention: previewOf(guests, spec.retention, { ...of, isGone }) },
  });
}

function scheduleController<S extends AnySchedule, C extends Child>(
  sources: ScheduleSources<S, C>,
  rules: Rules<S, C>,
): Controller<S> {
  return {
    name: rules.name,
    kind: rules.kind,
    informer: sources.schedules,
    writes: ['status'],
    access: [{ kind: rules.child, verbs: ['create', 'delete'] }],
    triggers: [
      trigger(sources.children, ({ before, after }) => {
        const child = after ?? before;
        return child === undefined || before?.status?.phase === after?.status?.phase ? [] : scheduleOf(child);
      }),
    ],
    reconcile: (pass) => look(pass, sources, rules),
  };
}

async function look<S extends AnySchedule, C extends Child>(
  pass: Pass<S>,
  sources: ScheduleSources<S, C>,
  rules: Rules<S, C>,
): Promise<PassResult<S>> {
  const { object, now } = pass;
  if (object.metadata.deletionTimestamp !== undefined) return { outcome: done };
  try {
    const tired = exhausted(pass, sources, rules);
    const cron = parseCron(object.spec.schedule);
    const zone = zoneNamed(object.spec.timeZone ?? 'UTC');
    const seen = Date.parse(object.status?.lastTick ?? object.metadata.creationTimestamp ?? '');
    // Times before the deadline are not even searched for: a manager may have been away for a year.
    const deadline = now - (object.spec.startDeadlineSeconds ?? 600) * 1_000 - 1;
    const tick = latestTick(cron, zone, { after: Math.max(seen, deadline), until: now });
    if (object.spec.suspend !== true) {
      if (tick !== undefined) await makeAll(pass, sources, rules, tick, tired);
      await prune(pass, sources, rules, zone);
    }
    const next = nextTick(cron, zone, now);
    if (next === undefined) return say(pass, stalled('ScheduleInvalid', 'there is no such day'), {});
    const times = {
      ...(tick === undefined ? {} : { lastTick: timeOf(tick) }),
      nextTick: timeOf(next),
      ...rules.more?.(guestsOf(pass, sources), object, { zone, next, wanted: wantedBy(object, sources) }),
    };
    const state = tired.size === 0 ? done : stalled('TooManyFailures', tooManyFailures(tired));
    return { ...say(pass, state, times), outcome: waiting('Scheduled', '', next - now) };
  } catch (error) {
    const outcome = outcomeOf(error, 'ScheduleFailed');
    if (outcome.type !== 'stalled') throw error;
    return say(pass, outcome, {});
  }
}

function say<S extends AnySchedule>({ object, now }: Pass<S>, outcome: Outcome, times: Told): PassResult<S> {
  const { generation } = object.metadata;
  const status: S['status'] = {
    ...object.status,
    ...times,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: conditionsFor(object, outcome, now),
  };
  return { outcome, status };
}

/** Before the time is written down: after a crash those that exist already are told apart by their names. */
async function makeAll<S extends AnySchedule, C extends Child>(
  { object, client, signal, event }: Pass<S>,
  { guestsIn, clusterId }: ScheduleSources<S, C>,
  { child: made, specFor }: Rules<S, C>,
  tick: number,
  tired: ReadonlySet<string>,
): Promise<void> {
  const { name: schedule, namespace = 'default' } = object.metadata;
  for (const guest of guestsIn(namespace)) {
    const { kind, name } = nameOf(guest);
    if (!isSelected(object, kind, guest) || tired.has(`${kind}/${name}`)) continue;
    const child = {
      apiVersion: `${made.group}/${made.version}`,
      kind: made.kind,
      metadata: {
        name: childName(schedule, clusterId(), nameOf(guest), tick),
        namespace,
        labels: { [SCHEDULE_LABEL]: schedule },
      },
      spec: specFor(object, { kind, name }, tick),
    } as KubeObject as C;
    await client.create(made, child, { signal }).catch(unless(409));
  }
  event('Normal', 'Taken', `${made.plural} for ${timeOf(tick)}`);
}

async function prune<S extends AnySchedule, C extends Child>(
  pass: Pass<S>,
  sources: ScheduleSources<S, C>,
  { child: kind, surplus: surplusOf }: Rules<S, C>,
  zone: Intl.DateTimeFormat,
): Promise<void> {
  const { object, client, signal } = pass;
  const wanted = wantedBy(object, sources);
  for (const { children, all } of guestsOf(pass, sources)) {
    for (const { metadata } of surplusOf(children, object, { zone, all, wanted })) {
      await client.delete(kind, metadata, { uid: metadata.uid, signal }).catch(unless(404, 409));
    }
  }
}

function wantedBy<S extends AnySchedule, C extends Child>(
  { metadata }: S,
  { wantedIn }: ScheduleSources<S, C>,
): ReadonlySet<string> {
  return wantedIn?.(metadata.namespace ?? 'default') ?? new Set();
}

function guestsOf<S extends AnySchedule, C extends Child>(
  { object, key }: Pass<S>,
  { children: known }: ScheduleSources<S, C>,
): OfGuest<C>[] {
  const { namespace = 'default' } = object.metadata;
  return [...byGuest(known.byIndex('schedule', key))].map(([guest, children]) => ({
    children,
    all: known.byIndex('guest', guest.replace('/', `/${namespace}/`)),
  }));
}

/** Names of guests of which no more are made: `<kind>/<name>`. */
function exhausted<S extends AnySchedule, C extends Child>(
  { object, key }: Pass<S>,
  { children }: ScheduleSources<S, C>,
  { isExhausted: is }: Rules<S, C>,
): ReadonlySet<string> {
  const all = byGuest(children.byIndex('schedule', key));
  return new Set([...all].filter(([, of]) => is(of, object)).map(([guest]) => guest));
}

function tooManyFailures(guests: ReadonlySet<string>): string {
  const names = [...guests].sort();
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return `left out after maxFailures failures, until one of their failed Backups is deleted: ${names.slice(0, 5).join(', ')}${more}`;
}

function byGuest<C extends Child>(children: readonly Stored<C>[]): Map<string, Stored<C>[]> {
  const found = new Map<string, Stored<C>[]>();
  for (const child of children) {
    const guest = `${child.spec.guest.kind}/${child.spec.guest.name}`;
    found.set(guest, [...(found.get(guest) ?? []), child]);
  }
  return found;
}

function unless(...codes: number[]): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ApiError && codes.includes(error.code))) throw error;
  };
}
