import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backup } from '../../../src/api/kinds/backup.ts';
import { BackupSchedule, type BackupScheduleSpec } from '../../../src/api/kinds/backupSchedule.ts';
import { Restore } from '../../../src/api/kinds/restore.ts';
import { Snapshot } from '../../../src/api/kinds/snapshot.ts';
import { SnapshotSchedule, type SnapshotScheduleSpec } from '../../../src/api/kinds/snapshotSchedule.ts';
import { StoragePool } from '../../../src/api/kinds/storagePool.ts';
import { Verify } from '../../../src/api/kinds/verify.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { backupSpec } from '../../../src/cluster/schedules/backups.ts';
import { nextTick, parseCron, zoneNamed } from '../../../src/cluster/schedules/cron.ts';
import { pruned, type Retention } from '../../../src/cluster/schedules/retention.ts';
import { host, machine } from './builders.ts';
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
const DAY = 86_400_000;

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

describe('of backups a schedule', () => {
  const kept = (times: readonly string[], retention: Retention, zone = 'UTC') => {
    const all = times.map((time) => Date.parse(time));
    const gone = new Set(pruned(all, retention, zoneNamed(zone)));
    return times.filter((_, index) => !gone.has(all[index] ?? 0));
  };
  const nights = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(
    (day) => `2026-01-${String(day).padStart(2, '0')}T02:00:00Z`,
  );

  it('keeps all without a rule, and the newest by last', () => {
    expect(kept(nights, {})).toEqual(nights);
    expect(kept(nights, { last: 3 })).toEqual(nights.slice(-3));
  });

  it('keeps the newest of each day, as many days as have one', () => {
    const times = [
      '2026-01-01T01:00:00Z',
      '2026-01-01T23:00:00Z',
      '2026-01-05T01:00:00Z',
      '2026-01-05T02:00:00Z',
    ];
    expect(kept(times, { daily: 2 })).toEqual([times[1], times[3]]);
  });

  it('goes on with each rule where the one before it ended', () => {
    // 2026-01-10 is a Saturday: its week, from the 5th on, is covered by the days.
    expect(kept(nights, { daily: 2, weekly: 1 })).toEqual([nights[3], nights[8], nights[9]]);
    expect(
      kept(['2025-11-30T00:00:00Z', '2025-12-31T00:00:00Z', ...nights], { last: 1, monthly: 1 }),
    ).toEqual(['2025-12-31T00:00:00Z', nights[9]]);
  });

  it('asks the clocks of its zone which day it is', () => {
    const times = ['2026-01-01T22:30:00Z', '2026-01-01T23:30:00Z'];
    expect(kept(times, { daily: 2 })).toEqual([times[1]]);
    expect(kept(times, { daily: 2 }, 'Europe/Berlin')).toEqual(times);
  });

  it('keeps the newest whatever the rules, and no more than they allow', () => {
    const count = fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined });
    const rules = fc.record({
      last: count,
      hourly: count,
      daily: count,
      weekly: count,
      monthly: count,
      yearly: count,
    });
    const minutes = fc.uniqueArray(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(minutes, rules, (times, given) => {
        const all = times.map((minute) => minute * MINUTE);
        const retention = given as Retention;
        const gone = pruned(all, retention, zoneNamed('Europe/Berlin'));
        const allowed = Object.values(given).reduce<number>((sum, each) => sum + (each ?? 0), 0);
        expect(gone).not.toContain(Math.max(...all));
        if (allowed > 0) expect(all.length - gone.length).toBeLessThanOrEqual(allowed);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the window of a BackupSchedule', () => {
  const guest = { kind: 'VirtualMachine', name: 'a' } as const;
  const at = (time: string, spec: Partial<BackupScheduleSpec> = {}) => {
    const window = { from: '22:00', to: '06:00' };
    const schedule = {
      spec: { schedule: '0 * * * *', pool: 'p', timeZone: 'Europe/Berlin', window, ...spec },
    };
    const { notBefore, startDeadlineSeconds } = backupSpec(
      schedule as BackupSchedule,
      guest,
      Date.parse(time),
    );
    return [notBefore, startDeadlineSeconds];
  };

  it('has backups of other times begin when it opens, and none when it has closed', () => {
    expect(at('2026-01-10T23:00:00Z')).toEqual([undefined, 6 * 3_600]);
    expect(at('2026-01-10T12:00:00Z')).toEqual(['2026-01-10T21:00:00Z', 8 * 3_600]);
    expect(at('2026-01-10T05:00:00Z')).toEqual(['2026-01-10T21:00:00Z', 8 * 3_600]);
    expect(at('2026-01-10T04:59:00Z', { windowSeconds: 600 })).toEqual([undefined, 60]);
    expect(at('2026-01-10T23:00:00Z', { windowSeconds: 600 })).toEqual([undefined, 600]);
  });

  it('is an hour shorter when clocks go forward in it', () => {
    expect(at('2026-03-28T21:00:00Z')).toEqual([undefined, 7 * 3_600]);
  });
});

describe('a BackupSchedule', () => {
  const backups = (lab: Lab) => lab.api.state.list(Backup) as Stored<Backup>[];
  const finishAll = async (lab: Lab, phase: 'Succeeded' | 'Failed') => {
    for (const { metadata, status } of backups(lab)) {
      if (status?.completedAt !== undefined) continue;
      const patch = { status: { phase, completedAt: new Date(lab.clock.now()).toISOString() } };
      await lab.api.mergePatch(Backup, metadata, patch, { subresource: 'status' });
    }
  };
  const labWithSchedule = async (spec: Partial<BackupScheduleSpec> = {}) => {
    const lab = createClusterLab();
    await lab.lead();
    lab.api.seed(VirtualMachine, machine('a'));
    lab.api.seed(BackupSchedule, {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'BackupSchedule',
      metadata: {
        name: 'often',
        namespace: 'default',
        creationTimestamp: new Date(lab.clock.now()).toISOString(),
      },
      spec: {
        schedule: '*/10 * * * *',
        pool: 'backups',
        compression: 'Gzip',
        retention: { last: 2 },
        ...spec,
      },
    } as BackupSchedule);
    return lab;
  };

  it('deletes none that somebody is about to have back, nor what that one needs', async () => {
    const lab = await labWithSchedule();
    const tick = async () => {
      await lab.advance(10 * MINUTE);
      await finishAll(lab, 'Succeeded');
      await lab.advance(1_000);
    };
    await tick();
    await tick();
    const [first = '', second = ''] = backups(lab).map(({ metadata }) => metadata.name);
    const [asked, made, based] = [
      {
        spec: { guest: { kind: 'VirtualMachine', name: 'a' }, backup: second },
        status: { phase: 'Running' },
      },
      { spec: { disks: [{ name: 'root', pool: 'p', source: { backup: { name: first } } }] } },
      { status: { archive: 'base' } },
    ];
    lab.api.seed(Restore, {
      ...{
        apiVersion: 'vireo.dev/v1alpha1',
        kind: 'Restore',
        metadata: { namespace: 'default', name: 'back' },
      },
      ...asked,
    } as Restore);
    const ref = (name: string) => ({ namespace: 'default', name });
    await lab.api.mergePatch(Backup, ref(first), based, { subresource: 'status' });
    await lab.api.mergePatch(Backup, ref(second), { status: { needs: ['base'] } }, { subresource: 'status' });
    for (let time = 0; time < 3; time += 1) await tick();
    const names = () => backups(lab).map(({ metadata }) => metadata.name);
    expect(names()).toEqual(expect.arrayContaining([first, second]));
    // It is over, but now a machine is made of the other.
    const over = { phase: 'Succeeded', completedAt: new Date(lab.clock.now()).toISOString() };
    await lab.api.mergePatch(Restore, ref('back'), { status: over }, { subresource: 'status' });
    const copy = machine('copy');
    lab.api.seed(VirtualMachine, { ...copy, spec: { ...copy.spec, ...made.spec } } as VirtualMachine);
    await tick();
    expect(names()).toContain(first);
    expect(names()).not.toContain(second);
    const volumes = [{ name: 'root', pool: 'p', id: 'copy-root' }];
    await lab.api.mergePatch(VirtualMachine, ref('copy'), { status: { volumes } }, { subresource: 'status' });
    await tick();
    expect(names()).not.toContain(first);
    await lab.resign();
  });

  it('makes one of each guest at each time, and deletes those that no rule keeps', async () => {
    const lab = await labWithSchedule();
    for (let time = 0; time < 4; time += 1) {
      await lab.advance(10 * MINUTE);
      await finishAll(lab, 'Succeeded');
      await lab.advance(1_000);
    }
    expect(backups(lab)).toHaveLength(2);
    expect(backups(lab)[0]).toMatchObject({
      metadata: { labels: { 'vireo.dev/schedule': 'often' } },
      spec: { guest: { kind: 'VirtualMachine', name: 'a' }, pool: 'backups', compression: 'Gzip' },
    });
    await lab.resign();
  });

  it('neither deletes nor counts what is protected, and keeps good ones when later ones fail', async () => {
    const lab = await labWithSchedule({ retention: { last: 1 } });
    await lab.advance(10 * MINUTE);
    await finishAll(lab, 'Succeeded');
    const [first] = backups(lab);
    if (first === undefined) throw new Error('none was made');
    await lab.api.mergePatch(Backup, first.metadata, { spec: { protected: true } });
    await lab.advance(10 * MINUTE);
    await finishAll(lab, 'Succeeded');
    await lab.advance(10 * MINUTE);
    await finishAll(lab, 'Failed');
    await lab.advance(1_000);
    expect(backups(lab).map(({ status }) => status?.phase)).toEqual(['Succeeded', 'Succeeded', 'Failed']);
    await lab.advance(10 * MINUTE);
    await finishAll(lab, 'Succeeded');
    await lab.advance(1_000);
    expect(backups(lab)).toHaveLength(2);
    expect(backups(lab).map(({ metadata }) => metadata.name)).toContain(first.metadata.name);
    await lab.resign();
  });

  it.each([
    ['two by a rule', { last: 2 }, [2, 4]],
    ['all without one', {}, [1, 2, 3, 4]],
  ])('of which it keeps %s takes one that was found damaged for none', async (_what, retention, left) => {
    const lab = await labWithSchedule({ retention });
    const made: string[] = [];
    for (let number = 1; number <= 4; number += 1) {
      await lab.advance(10 * MINUTE);
      const { metadata } = backups(lab).find(({ status }) => status?.completedAt === undefined) ?? {};
      if (metadata === undefined) throw new Error('none was made');
      made.push(metadata.name);
      await finishAll(lab, 'Succeeded');
      await lab.advance(1_000);
      if (number !== 3) continue;
      const verified = { at: '2026-01-01T00:30:30Z', result: 'Damaged', message: 'a byte is another' };
      await lab.api.mergePatch(Backup, metadata, { status: { verified } }, { subresource: 'status' });
    }
    expect(backups(lab).map(({ metadata }) => made.indexOf(metadata.name) + 1)).toEqual(left);
    await lab.resign();
  });

  it('keeps what those need that it keeps, and what another needs that somebody made by hand', async () => {
    const lab = await labWithSchedule({ retention: { last: 1 }, fullEvery: 3 });
    const make = async (...needs: string[]) => {
      await lab.advance(10 * MINUTE);
      const made = backups(lab).find(({ status }) => status?.completedAt === undefined);
      if (made === undefined) throw new Error('none was made');
      const archive = `backup-${made.metadata.uid}`;
      const status = { archive, ...(needs.length === 0 ? {} : { needs }) };
      await lab.api.mergePatch(Backup, made.metadata, { status }, { subresource: 'status' });
      await finishAll(lab, 'Succeeded');
      await lab.advance(1_000);
      return archive;
    };
    const left = () => backups(lab).map(({ status }) => status?.archive);
    const first = await make();
    const second = await make(first);
    const third = await make(second, first);
    expect(left()).toEqual([first, second, third]);
    const full = await make();
    expect(left()).toEqual([full]);
    lab.api.seed(Backup, {
      ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'Backup' },
      metadata: { name: 'by-hand', namespace: 'default' },
      spec: { guest: { kind: 'VirtualMachine', name: 'a' }, pool: 'backups' },
      status: { phase: 'Succeeded', archive: 'backup-by-hand', needs: [full] },
    } as Backup);
    const last = await make();
    expect(left().toSorted()).toEqual([full, 'backup-by-hand', last].toSorted());
    await lab.resign();
  });

  it('says what goes next, before it goes', async () => {
    const lab = await labWithSchedule({ retention: { last: 2 } });
    const seen: string[][] = [];
    for (let time = 0; time < 4; time += 1) {
      await lab.advance(10 * MINUTE);
      await finishAll(lab, 'Succeeded');
      await lab.advance(1_000);
      const { retention } = lab.get(BackupSchedule, 'default/often')?.status ?? {};
      expect(retention).toMatchObject({ kept: Math.min(2, time + 1), going: Math.min(1, time) });
      expect(backups(lab).map(({ metadata }) => metadata.name)).not.toContain(seen.at(-1)?.[0]);
      seen.push(retention?.next ?? []);
      expect(backups(lab).map(({ metadata }) => metadata.name)).toEqual(
        expect.arrayContaining(retention?.next ?? []),
      );
    }
    await lab.resign();
  });

  it('spreads the times at which they begin, and tells each how long it may wait', async () => {
    const lab = await labWithSchedule({ jitterSeconds: 300, windowSeconds: 3_600 });
    for (const name of ['b', 'c', 'd', 'e']) lab.api.seed(VirtualMachine, machine(name));
    await lab.advance(10 * MINUTE);
    const late = backups(lab).map(({ metadata, spec }) => {
      expect(spec.startDeadlineSeconds).toBe(3_600);
      const tick = 60_000 * Number(metadata.name.split('-').at(-1));
      return spec.notBefore === undefined ? 0 : Date.parse(spec.notBefore) - tick;
    });
    expect(late).toHaveLength(5);
    expect(new Set(late).size).toBeGreaterThan(2);
    for (const ms of late) expect(ms).toBeLessThanOrEqual(300_000);
    await lab.resign();
  });

  it.each([
    ['its schedule', { parallel: 2 }, 8],
    ['their pool', {}, 2],
  ])(
    'lets so many be under way as %s allows, through new leaders, and all be made in the end',
    async (_whose, spec, parallelBackups) => {
      const lab = await labWithSchedule({ ...spec, schedule: '0 * * * *', windowSeconds: 3_600 });
      lab.api.seed(StoragePool, {
        ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'StoragePool', metadata: { name: 'backups' } },
        spec: { type: 'Directory', parallelBackups },
      } as StoragePool);
      lab.addHosts(host('h1'));
      for (const name of ['b', 'c', 'd', 'e'])
        lab.api.seed(VirtualMachine, machine(name, { placement: { host: 'h1' } }));
      await lab.advance(61 * MINUTE);
      const atHosts = () => backups(lab).filter(({ status }) => status?.host !== undefined);
      const underWay = () => atHosts().filter(({ status }) => status?.completedAt === undefined);
      for (let round = 0; round < 3 && atHosts().length < 5; round += 1) {
        expect(underWay().length).toBe(Math.min(2, 5 - 2 * round));
        if (round === 1) await lab.lead();
        for (const { metadata } of underWay()) {
          const patch = {
            status: { phase: 'Succeeded', completedAt: new Date(lab.clock.now()).toISOString() },
          };
          await lab.api.mergePatch(Backup, metadata, patch, { subresource: 'status' });
        }
        await lab.advance(10_000);
      }
      expect(atHosts()).toHaveLength(5);
      await lab.resign();
    },
  );

  it('leaves a guest out whose last backups all failed, and says so, until one of them is deleted', async () => {
    const lab = await labWithSchedule({ maxFailures: 2 });
    for (let time = 0; time < 4; time += 1) {
      await lab.advance(10 * MINUTE);
      await finishAll(lab, 'Failed');
      await lab.advance(1_000);
    }
    expect(backups(lab)).toHaveLength(2);
    const stalled = () =>
      lab.get(BackupSchedule, 'default/often')?.status?.conditions?.find(({ type }) => type === 'Stalled');
    expect(stalled()).toMatchObject({
      reason: 'TooManyFailures',
      message: expect.stringContaining('VirtualMachine/a'),
    });
    const [first] = backups(lab);
    await lab.api.delete(Backup, first?.metadata ?? { name: '' });
    await lab.advance(1_000);
    expect(stalled()).toBeUndefined();
    await lab.advance(10 * MINUTE);
    expect(backups(lab)).toHaveLength(2);
    await lab.resign();
  });

  it('gives up no guest for the time in which its host was lost', async () => {
    const lab = await labWithSchedule({ maxFailures: 2 });
    const conditions = [
      {
        type: 'Ready',
        status: 'False',
        reason: 'HostLost',
        message: '',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ] as const;
    for (let time = 0; time < 4; time += 1) {
      await lab.advance(10 * MINUTE);
      await finishAll(lab, 'Failed');
      for (const { metadata } of backups(lab))
        await lab.api.mergePatch(Backup, metadata, { status: { conditions } }, { subresource: 'status' });
      await lab.advance(1_000);
    }
    expect(backups(lab)).toHaveLength(4);
    await lab.resign();
  });

  it('has each of its Backups looked at after so many days, once, and again after each look', async () => {
    const lab = await labWithSchedule({ schedule: '0 0 29 2 *', verifyAfterDays: 1 });
    const now = () => new Date(lab.clock.now()).toISOString();
    lab.api.seed(Backup, {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'Backup',
      metadata: { name: 'old', namespace: 'default', labels: { 'vireo.dev/schedule': 'often' } },
      spec: { guest: { kind: 'VirtualMachine', name: 'a' }, pool: 'backups' },
      status: { phase: 'Succeeded', completedAt: now() },
    } as Backup);
    const verifies = () => lab.api.state.list(Verify) as Stored<Verify>[];
    await lab.advance(DAY - MINUTE);
    expect(verifies()).toEqual([]);
    await lab.advance(2 * MINUTE);
    await lab.lead();
    await lab.advance(MINUTE);
    expect(verifies().map(({ spec }) => spec.backup)).toEqual(['old']);
    const status = { verified: { at: now(), result: 'Whole', message: '' } };
    await lab.api.mergePatch(
      Backup,
      { namespace: 'default', name: 'old' },
      { status },
      { subresource: 'status' },
    );
    await lab.advance(DAY - MINUTE);
    expect(verifies()).toHaveLength(1);
    await lab.advance(2 * MINUTE);
    expect(verifies()).toHaveLength(2);
    await lab.resign();
  });
});
