import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Snapshot } from '../../../src/api/kinds/snapshot.ts';
import { SnapshotSchedule, type SnapshotScheduleSpec } from '../../../src/api/kinds/snapshotSchedule.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { nextTick, parseCron, zoneNamed } from '../../../src/cluster/schedules/cron.ts';
import { machine } from './builders.ts';
import { createClusterLab } from './clusterLab.ts';

describe('the next time of a schedule', () => {
  const next = (schedule: string, after: string, zone = 'UTC') => {
    const at = nextTick(parseCron(schedule), zoneNamed(zone), Date.parse(after));
    return at === undefined ? undefined : new Date(at).toISOString().slice(0, 16);
  };

  it.each([
    ['*/15 * * * *', '2026-01-01T00:00:00Z', 'UTC', '2026-01-01T00:15'],
    ['*/15 * * * *', '2026-01-01T00:59:59Z', 'UTC', '2026-01-01T01:00'],
    ['30 2 * * *', '2026-01-01T00:00:00Z', 'Europe/Berlin', '2026-01-01T01:30'],
    ['0 12 29 2 *', '2026-01-01T00:00:00Z', 'UTC', '2028-02-29T12:00'],
    ['0 0 * * 7', '2026-01-01T00:00:00Z', 'UTC', '2026-01-04T00:00'],
    ['0 0 13 * 5', '2026-01-01T00:00:00Z', 'UTC', '2026-01-02T00:00'],
    ['0 9-17/4 * * 1-5', '2026-01-02T13:00:00Z', 'UTC', '2026-01-02T17:00'],
    // Clocks in Berlin go from 2 to 3 on 29 March 2026 and from 3 to 2 on 25 October.
    ['30 2 * * *', '2026-03-28T12:00:00Z', 'Europe/Berlin', '2026-03-30T00:30'],
    ['30 2 * * *', '2026-10-24T12:00:00Z', 'Europe/Berlin', '2026-10-25T00:30'],
    ['30 2 * * *', '2026-10-25T00:30:00Z', 'Europe/Berlin', '2026-10-26T01:30'],
    ['0 0 * * *', '2026-06-01T00:00:00Z', 'Asia/Kathmandu', '2026-06-01T18:15'],
  ])('of %s after %s in %s', (schedule, after, zone, expected) => {
    expect(next(schedule, after, zone)).toBe(expected);
  });

  it('does not exist on the 30th of February', () => {
    expect(next('0 0 30 2 *', '2026-01-01T00:00:00Z')).toBeUndefined();
  });

  it('is after the last, and none is left out, whatever the zone', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe');
    fc.assert(
      fc.property(zones, fc.integer({ min: 0, max: 365 * 24 * 60 }), (name, minute) => {
        const zone = zoneNamed(name);
        const from = Date.UTC(2026, 0, 1) + minute * 60_000;
        const at = nextTick(parseCron('0 * * * *'), zone, from) ?? 0;
        expect(at).toBeGreaterThan(from);
        // An hour of clocks lasts two at most when they are put back.
        expect(at - from).toBeLessThanOrEqual(2 * 3_600_000);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['60 * * * *', 'minute'],
    ['* 24 * * *', 'hour'],
    ['* * 0 * *', 'day of month'],
    ['* * * 5-2 *', 'month'],
    ['*/0 * * * *', 'minute'],
    ['1-,2 * * * *', 'minute'],
  ])('of %s is refused by the %s', (schedule, field) => {
    expect(() => parseCron(schedule)).toThrow(`is no ${field}:`);
  });
});

type Lab = ReturnType<typeof createClusterLab>;
const MINUTE = 60_000;

function seedSchedule(lab: Lab, spec: Partial<SnapshotScheduleSpec> = {}) {
  lab.api.seed(SnapshotSchedule, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'SnapshotSchedule',
    metadata: {
      name: 'often',
      namespace: 'default',
      creationTimestamp: new Date(lab.clock.now()).toISOString(),
    },
    spec: { schedule: '*/10 * * * *', keep: 2, ...spec },
  } as SnapshotSchedule);
}

const children = (lab: Lab) => lab.api.state.list(Snapshot) as Stored<Snapshot>[];
const snapshots = (lab: Lab) =>
  children(lab)
    .map(({ metadata }) => metadata.name)
    .sort();
const schedule = (lab: Lab) => lab.get(SnapshotSchedule, 'default/often');

/** The host takes all snapshots it is given. */
async function takeAll(lab: Lab): Promise<void> {
  for (const { metadata, status } of children(lab)) {
    if (status?.phase === 'Ready') continue;
    await lab.api.mergePatch(Snapshot, metadata, { status: { phase: 'Ready' } }, { subresource: 'status' });
  }
}

describe('a SnapshotSchedule', () => {
  it('takes one of each guest it selects at each time, and keeps so many', async () => {
    const lab = createClusterLab();
    await lab.lead();
    lab.api.seed(VirtualMachine, {
      ...machine('a'),
      metadata: { ...machine('a').metadata, labels: { tier: 'db' } },
    });
    lab.api.seed(VirtualMachine, machine('b'));
    seedSchedule(lab, { guestSelector: { matchLabels: { tier: 'db' } } });
    for (let time = 0; time < 4; time += 1) {
      await lab.advance(10 * MINUTE);
      await takeAll(lab);
      await lab.advance(1_000);
    }
    const made = children(lab);
    expect(made).toHaveLength(2);
    expect(new Set(made.map(({ spec }) => spec.guest.name))).toEqual(new Set(['a']));
    expect(made[0]?.metadata.labels).toEqual({ 'vireo.dev/schedule': 'often' });
    await lab.resign();
  });

  it('keeps what stands when later ones fail', async () => {
    const lab = createClusterLab();
    await lab.lead();
    lab.api.seed(VirtualMachine, machine('a'));
    seedSchedule(lab, { keep: 1 });
    await lab.advance(10 * MINUTE);
    await takeAll(lab);
    const [good] = snapshots(lab);
    await lab.advance(20 * MINUTE);
    expect(snapshots(lab)).toContain(good);
    expect(snapshots(lab)).toHaveLength(3);
    await lab.resign();
  });

  it('makes none twice when another leads in the middle of it, whichever write was the last', async () => {
    for (let writes = 1; writes <= 4; writes += 1) {
      let left = Number.POSITIVE_INFINITY;
      const lab = createClusterLab({
        intercept: ({ kind, verb }) => {
          const isOurs = kind.kind === 'Snapshot' || kind.kind === 'SnapshotSchedule';
          if (!isOurs || verb === 'get' || verb === 'list' || verb === 'watch') return;
          left -= 1;
          if (left < 0) throw new Error('the leader is dead');
        },
      });
      await lab.lead();
      for (const name of ['a', 'b']) lab.api.seed(VirtualMachine, machine(name));
      seedSchedule(lab);
      await lab.advance(9 * MINUTE);
      left = writes;
      await lab.advance(2 * MINUTE);
      left = Number.POSITIVE_INFINITY;
      await lab.lead();
      await lab.advance(2 * MINUTE);
      expect(snapshots(lab)).toHaveLength(2);
      await lab.resign();
    }
  });

  it('makes good only the last of the times it missed, and none that is too late', async () => {
    const lab = createClusterLab();
    lab.api.seed(VirtualMachine, machine('a'));
    seedSchedule(lab, { schedule: '* * * * *', startDeadlineSeconds: 300 });
    await lab.advance(30 * MINUTE);
    await lab.lead();
    expect(snapshots(lab)).toHaveLength(1);
    await lab.resign();
  });

  it('rests while it is suspended, and says what is wrong with it', async () => {
    const lab = createClusterLab();
    await lab.lead();
    lab.api.seed(VirtualMachine, machine('a'));
    seedSchedule(lab, { suspend: true });
    await lab.advance(30 * MINUTE);
    expect(snapshots(lab)).toEqual([]);
    await lab.api.mergePatch(
      SnapshotSchedule,
      { namespace: 'default', name: 'often' },
      { spec: { timeZone: 'Mars/Olympus' } },
    );
    await lab.advance(1_000);
    expect(schedule(lab)?.status?.conditions?.find(({ type }) => type === 'Stalled')?.reason).toBe(
      'TimeZoneUnknown',
    );
    await lab.resign();
  });
});
