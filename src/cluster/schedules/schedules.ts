/** Makes Snapshots at the times of SnapshotSchedules, exactly one per guest and time through crashes and new leaders, and keeps so many. */
import { Snapshot } from '../../api/kinds/snapshot.ts';
import { SnapshotSchedule, type SnapshotScheduleStatus } from '../../api/kinds/snapshotSchedule.ts';
import type { Stored } from '../../api/meta.ts';
import { done, type Outcome, outcomeOf, stalled, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { nameOf, type StoredGuest } from '../guests.ts';
import { conditionsFor } from '../readiness.ts';
import { latestTick, nextTick, parseCron, zoneNamed } from './cron.ts';
import { childName, isSelected, SCHEDULE_LABEL, surplus } from './plan.ts';

export type ScheduleSources = {
  schedules: Informer<SnapshotSchedule>;
  /** Has the index `schedule`: `<namespace>/<schedule>`. */
  snapshots: Informer<Snapshot>;
  /** All guests of a namespace. */
  guestsIn(namespace: string): readonly StoredGuest[];
  clusterId(): string;
};

/** The index of Snapshots by the schedule that made them. */
export function scheduleOf({ metadata }: Snapshot): string[] {
  const name = metadata.labels?.[SCHEDULE_LABEL];
  return name === undefined ? [] : [`${metadata.namespace ?? 'default'}/${name}`];
}

export function scheduleController(sources: ScheduleSources): Controller<SnapshotSchedule> {
  return {
    name: 'snapshot-schedules',
    kind: SnapshotSchedule,
    informer: sources.schedules,
    writes: ['status'],
    access: [{ kind: Snapshot, verbs: ['create', 'delete'] }],
    triggers: [
      trigger(sources.snapshots, ({ before, after }) => {
        const child = after ?? before;
        return child === undefined || before?.status?.phase === after?.status?.phase ? [] : scheduleOf(child);
      }),
    ],
    reconcile: (pass) => look(pass, sources),
  };
}

async function look(
  pass: Pass<SnapshotSchedule>,
  sources: ScheduleSources,
): Promise<PassResult<SnapshotSchedule>> {
  const { object, now } = pass;
  if (object.metadata.deletionTimestamp !== undefined) return { outcome: done };
  try {
    const cron = parseCron(object.spec.schedule);
    const zone = zoneNamed(object.spec.timeZone ?? 'UTC');
    const seen = Date.parse(object.status?.lastTick ?? object.metadata.creationTimestamp ?? '');
    // Times before the deadline are not even searched for: a manager may have been away for a year.
    const deadline = now - (object.spec.startDeadlineSeconds ?? 600) * 1_000 - 1;
    const tick = latestTick(cron, zone, { after: Math.max(seen, deadline), until: now });
    if (object.spec.suspend !== true) {
      if (tick !== undefined) await makeAll(pass, sources, tick);
      await prune(pass, sources);
    }
    const next = nextTick(cron, zone, now);
    if (next === undefined) return say(pass, stalled('ScheduleInvalid', 'there is no such day'), {});
    const times = { ...(tick === undefined ? {} : { lastTick: iso(tick) }), nextTick: iso(next) };
    return { ...say(pass, done, times), outcome: waiting('Scheduled', '', next - now) };
  } catch (error) {
    const outcome = outcomeOf(error, 'ScheduleFailed');
    if (outcome.type !== 'stalled') throw error;
    return say(pass, outcome, {});
  }
}

function say(
  { object, now }: Pass<SnapshotSchedule>,
  outcome: Outcome,
  times: Pick<SnapshotScheduleStatus, 'lastTick' | 'nextTick'>,
): PassResult<SnapshotSchedule> {
  const { generation } = object.metadata;
  const status: SnapshotScheduleStatus = {
    ...object.status,
    ...times,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: conditionsFor(object, outcome, now),
  };
  return { outcome, status };
}

/** Before the time is written down: after a crash those that exist already are told apart by their names. */
async function makeAll(
  { object, client, signal, event }: Pass<SnapshotSchedule>,
  { guestsIn, clusterId }: ScheduleSources,
  tick: number,
): Promise<void> {
  const { name: schedule, namespace = 'default' } = object.metadata;
  for (const guest of guestsIn(namespace)) {
    const { kind, name } = nameOf(guest);
    if (!isSelected(object, kind, guest)) continue;
    const child: Snapshot = {
      apiVersion: `${Snapshot.group}/${Snapshot.version}`,
      kind: Snapshot.kind,
      metadata: {
        name: childName(schedule, clusterId(), nameOf(guest), tick),
        namespace,
        labels: { [SCHEDULE_LABEL]: schedule },
      },
      spec: { guest: { kind, name } },
    };
    await client.create(Snapshot, child, { signal }).catch(unless(409));
  }
  event('Normal', 'Taken', `snapshots for ${iso(tick)}`);
}

async function prune(
  { object, key, client, signal }: Pass<SnapshotSchedule>,
  { snapshots }: ScheduleSources,
): Promise<void> {
  const byGuest = new Map<string, Stored<Snapshot>[]>();
  for (const child of snapshots.byIndex('schedule', key)) {
    const guest = `${child.spec.guest.kind}/${child.spec.guest.name}`;
    byGuest.set(guest, [...(byGuest.get(guest) ?? []), child]);
  }
  for (const children of byGuest.values()) {
    for (const { metadata } of surplus(children, object.spec.keep)) {
      await client.delete(Snapshot, metadata, { uid: metadata.uid, signal }).catch(unless(404, 409));
    }
  }
}

function unless(...codes: number[]): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ApiError && codes.includes(error.code))) throw error;
  };
}

function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
