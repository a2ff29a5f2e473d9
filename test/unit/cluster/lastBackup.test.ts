/** What guests say of their backups: which is the newest, and whether it is as new as their schedules promise. */
import { describe, expect, it } from 'vitest';
import { Backup, type BackupStatus } from '../../../src/api/kinds/backup.ts';
import { BackupSchedule, type BackupScheduleSpec } from '../../../src/api/kinds/backupSchedule.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { host, machine } from './builders.ts';
import { createClusterLab } from './clusterLab.ts';

type Lab = ReturnType<typeof createClusterLab>;
const HOUR = 3_600_000;
const iso = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

function seedGuest(lab: Lab, name = 'web') {
  const guest = machine(name);
  lab.api.seed(VirtualMachine, {
    ...guest,
    metadata: { ...guest.metadata, creationTimestamp: iso(lab.clock.now()) },
  });
}

function seedBackup(lab: Lab, name: string, more: Partial<BackupStatus> = {}, labels = {}) {
  lab.api.seed(Backup, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Backup',
    metadata: { name, namespace: 'default', labels },
    spec: { guest: { kind: 'VirtualMachine', name: 'web' }, pool: 'local' },
    status: { phase: 'Succeeded', takenAt: iso(lab.clock.now()), completedAt: iso(lab.clock.now()), ...more },
  } as Backup);
}

function seedSchedule(lab: Lab, spec: Partial<BackupScheduleSpec> = {}) {
  lab.api.seed(BackupSchedule, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'BackupSchedule',
    metadata: { name: 'nightly', namespace: 'default', creationTimestamp: iso(lab.clock.now()) },
    spec: { schedule: '0 2 * * *', pool: 'local', ...spec },
  } as BackupSchedule);
}

const statusOf = (lab: Lab) => lab.machine('web')?.status;
const backedUp = (lab: Lab) => statusOf(lab)?.conditions?.find(({ type }) => type === 'BackedUp');
const ref = (name: string) => ({ namespace: 'default', name });

describe('a guest', () => {
  it('names its newest whole backup, and none that failed, was found damaged, or is deleted', async () => {
    const lab = createClusterLab();
    await lab.lead();
    seedGuest(lab);
    await lab.advance(1_000);
    expect(statusOf(lab)?.lastBackup).toBeUndefined();
    seedBackup(lab, 'one', { consistency: 'Filesystem' });
    await lab.advance(HOUR);
    seedBackup(lab, 'two');
    await lab.advance(HOUR);
    seedBackup(lab, 'three', { phase: 'Failed' });
    await lab.advance(1_000);
    expect(statusOf(lab)?.lastBackup?.name).toBe('two');
    const verified = { at: iso(lab.clock.now()), result: 'Damaged', message: 'a byte is another' } as const;
    await lab.api.mergePatch(Backup, ref('two'), { status: { verified } }, { subresource: 'status' });
    await lab.advance(1_000);
    expect(statusOf(lab)?.lastBackup).toMatchObject({ name: 'one', consistency: 'Filesystem' });
    expect(backedUp(lab)).toBeUndefined();
    const archive = { archive: 'backup-two' };
    await lab.api.mergePatch(Backup, ref('two'), { status: archive }, { subresource: 'status' });
    await lab.advance(1_000);
    seedBackup(lab, 'four', { archive: 'backup-four', needs: ['backup-two'] });
    await lab.advance(1_000);
    expect(statusOf(lab)?.lastBackup?.name).toBe('one');
    await lab.api.delete(Backup, ref('one'));
    await lab.advance(1_000);
    expect(statusOf(lab)?.lastBackup).toBeUndefined();
    await lab.resign();
  });

  it('names none that lay on a host that was removed, in a pool of that host alone, until the machine has joined again', async () => {
    const lab = createClusterLab();
    lab.addHosts(host('h1'), host('h2'));
    await lab.lead();
    seedGuest(lab);
    seedBackup(lab, 'one', { host: 'h2' });
    await lab.advance(HOUR);
    seedBackup(lab, 'two', { host: 'h1' });
    await lab.advance(1_000);
    expect(statusOf(lab)?.lastBackup?.name).toBe('two');
    await lab.api.delete(Host, { name: 'h1' });
    await lab.advance(10_000);
    expect(statusOf(lab)?.lastBackup?.name).toBe('one');
    lab.addHosts(host('h1'));
    await lab.advance(10_000);
    expect(statusOf(lab)?.lastBackup?.name).toBe('two');
    await lab.resign();
  });

  it('names the newer of two of one second, of which one was made by a version that told whole seconds', async () => {
    const lab = createClusterLab();
    await lab.lead();
    seedGuest(lab);
    const second = iso(lab.clock.now()).slice(0, 19);
    seedBackup(lab, 'one', { takenAt: `${second}Z` });
    seedBackup(lab, 'two', { takenAt: `${second}.250Z` });
    await lab.advance(1_000);
    expect(statusOf(lab)?.lastBackup).toMatchObject({ name: 'two', takenAt: `${second}.250Z` });
    seedBackup(lab, 'three', { takenAt: `${second}.125Z` });
    await lab.advance(1_000);
    expect(statusOf(lab)?.lastBackup?.name).toBe('two');
    await lab.resign();
  });

  it('is stale an hour after a time of its schedule that brought none, and current with the next, whoever made it', async () => {
    const lab = createClusterLab();
    await lab.lead();
    seedGuest(lab);
    seedSchedule(lab);
    await lab.advance(1_000);
    expect(backedUp(lab)).toMatchObject({ status: 'Unknown', reason: 'NotDueYet' });
    const two = new Date(lab.clock.now());
    two.setUTCHours(two.getUTCHours() < 2 ? 2 : 26, 0, 0, 0);
    await lab.advance(two.getTime() - lab.clock.now() + HOUR - 60_000);
    expect(backedUp(lab)?.status).toBe('Unknown');
    await lab.advance(2 * 60_000);
    expect(backedUp(lab)).toMatchObject({ status: 'False', reason: 'BackupStale' });
    seedBackup(lab, 'by-hand');
    await lab.advance(1_000);
    expect(backedUp(lab)).toMatchObject({ status: 'True', reason: 'BackupCurrent' });
    await lab.advance(22 * HOUR);
    expect(backedUp(lab)?.status).toBe('True');
    await lab.advance(3 * HOUR);
    expect(backedUp(lab)?.status).toBe('False');
    await lab.api.mergePatch(BackupSchedule, ref('nightly'), { spec: { suspend: true } });
    await lab.advance(1_000);
    expect(backedUp(lab)).toBeUndefined();
    await lab.resign();
  });

  it('that its schedule has given up says so at once, and is promised again when one of the failed backups is deleted', async () => {
    const lab = createClusterLab();
    await lab.lead();
    seedGuest(lab);
    seedSchedule(lab, { maxFailures: 2 });
    const failed = (name: string) =>
      seedBackup(lab, name, { phase: 'Failed' }, { 'vireo.dev/schedule': 'nightly' });
    failed('nightly-web-1');
    await lab.advance(1_000);
    expect(backedUp(lab)?.reason).toBe('NotDueYet');
    seedBackup(lab, 'by-hand');
    failed('nightly-web-2');
    await lab.advance(1_000);
    expect(backedUp(lab)).toMatchObject({
      status: 'False',
      reason: 'BackupSuspended',
      message: expect.stringContaining('nightly'),
    });
    await lab.api.delete(Backup, ref('nightly-web-1'));
    await lab.advance(1_000);
    expect(backedUp(lab)).toMatchObject({ status: 'True', reason: 'BackupCurrent' });
    await lab.resign();
  });

  it('that came after the time, or is not selected, is promised nothing', async () => {
    const lab = createClusterLab();
    await lab.lead();
    seedSchedule(lab, { schedule: '* * * * *', guestSelector: { matchLabels: { tier: 'db' } } });
    await lab.advance(30 * HOUR);
    seedGuest(lab);
    await lab.advance(1_000);
    expect(backedUp(lab)).toBeUndefined();
    await lab.api.mergePatch(VirtualMachine, ref('web'), { metadata: { labels: { tier: 'db' } } });
    await lab.advance(1_000);
    expect(backedUp(lab)?.reason).toBe('NotDueYet');
    await lab.advance(HOUR + 120_000);
    expect(backedUp(lab)?.reason).toBe('BackupStale');
    await lab.resign();
  });
});
