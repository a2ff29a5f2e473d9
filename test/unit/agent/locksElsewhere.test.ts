/** What becomes of work on a guest whose host was lost in the middle: it is another host's by then, and perhaps comes back later with what it wrote there. */
import { describe, expect, it } from 'vitest';
import { Backup } from '../../../src/api/kinds/backup.ts';
import { Restore } from '../../../src/api/kinds/restore.ts';
import { Rollback } from '../../../src/api/kinds/rollback.ts';
import { Snapshot } from '../../../src/api/kinds/snapshot.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { KindRef } from '../../../src/api/meta.ts';
import { type Crasher, createCrasher } from './crasher.ts';
import type { Lab } from './lab.ts';
import { isReady, labWithWeb, lockOf, place, poolOf, WEB, webId, write, written } from './sharedGuest.ts';

/** As the manager does once the guest was recovered. */
function endJob(lab: Lab, kind: KindRef, name: string, more: object = {}) {
  const completedAt = new Date(lab.clock.now()).toISOString();
  return lab.patchStatus(kind, name, { phase: 'Failed', completedAt, message: 'h1 was lost', ...more });
}

/** Its host dies at this very moment. */
async function diesWhen(lab: Lab, crasher: Crasher, what: string, condition: () => boolean) {
  await lab.until(what, () => {
    const isSo = condition();
    if (isSo) crasher.kill();
    return isSo;
  });
}

describe('work on a guest whose host was lost in the middle', () => {
  it('rolls nothing back when the guest comes back later with what it wrote elsewhere', async () => {
    const { lab, agent, crasher } = await labWithWeb({}, { poolLatencyMs: 2_000 });
    await lab.until('web is Ready', () => isReady(lab));
    lab.createSnapshot('first', WEB);
    await lab.until('it is taken', () => lab.snapshot('first')?.status?.phase === 'Ready');
    lab.createRollback('back', 'first', WEB, { ifRunning: 'Stop' });
    await diesWhen(lab, crasher, 'it is about to change the disk', () => lockOf(lab)?.changing === true);
    await agent.stop();
    expect(lockOf(lab)?.changing).toBe(true);
    await place(lab, 'other', 2);
    await endJob(lab, Rollback, 'back');
    const returned = await lab.start();
    await lab.until('nothing is locked here', () => lockOf(lab) === undefined, 30_000);
    await returned.stop();
    write(lab, 777);
    await place(lab, 'h1', 3);
    const again = await lab.start();
    await lab.until(
      'web runs here again',
      () => isReady(lab) && lab.machine('web')?.status?.phase === 'Running',
    );
    await lab.clock.advance(30_000);
    expect(written(lab)).toEqual([777]);
    await again.stop();
  });

  it('gives it no disks of a Restore either, and leaves none of them behind', async () => {
    const { lab, agent, crasher } = await labWithWeb({}, { latency: { shutdownMs: 20_000 } });
    await lab.until('web is Ready', () => isReady(lab));
    lab.createBackup('first', WEB, { pool: 'nas' });
    await lab.until('it is backed up', () => lab.backup('first')?.status?.phase === 'Succeeded');
    lab.createRestore('back', 'first', WEB, { ifRunning: 'Stop' });
    await diesWhen(
      lab,
      crasher,
      'the disk is made',
      () => Object.keys(poolOf(lab).prepared ?? {}).length === 1,
    );
    await agent.stop();
    expect(lockOf(lab)).toBeDefined();
    expect(lockOf(lab)?.changing).toBeUndefined();
    // Its Host was there again before the manager looked: nobody has ended the Restore.
    await place(lab, 'other', 2);
    const returned = await lab.start();
    await lab.until('it is over', () => lab.restore('back')?.status?.completedAt !== undefined, 60_000);
    expect(lab.conditionOf(lab.restore('back'), 'Ready')?.reason).toBe('HostLost');
    expect(lockOf(lab)).toBeUndefined();
    expect(Object.keys(poolOf(lab).prepared ?? {})).toEqual([]);
    await returned.stop();
  });

  it('leaves what it had made of a Restore to the host that was given it since, which goes by the same names', async () => {
    const { lab, agent, crasher } = await labWithWeb({}, { latency: { shutdownMs: 20_000 } });
    await lab.until('web is Ready', () => isReady(lab));
    lab.createBackup('first', WEB, { pool: 'nas' });
    await lab.until('it is backed up', () => lab.backup('first')?.status?.phase === 'Succeeded');
    lab.createRestore('back', 'first', WEB, { ifRunning: 'Stop' });
    const prepared = () => Object.keys(poolOf(lab).prepared ?? {});
    await diesWhen(lab, crasher, 'the disk is made', () => prepared().length === 1);
    await agent.stop();
    await place(lab, 'other', 2);
    await lab.patchStatus(Restore, 'back', { host: 'other', phase: 'Pending' });
    const returned = await lab.start();
    await lab.until('nothing is locked here', () => lockOf(lab) === undefined, 30_000);
    await lab.clock.advance(10_000);
    expect(prepared()).toHaveLength(1);
    expect(lab.restore('back')?.status?.completedAt).toBeUndefined();
    await returned.stop();
  });

  it.each([
    ['the Backup has failed', {}],
    ['another host looks after it by now, as its archive would lie in a shared pool', { host: 'other' }],
  ])(
    'of a Backup is let go of by an agent that has lived through it, so that the guest may come back: %s',
    async (_, more) => {
      const { lab, agent } = await labWithWeb({}, { poolLatencyMs: 30_000 });
      await lab.until('web is Ready', () => isReady(lab));
      await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
      await lab.until('it is off', () => lab.machine('web')?.status?.phase === 'Stopped');
      lab.createBackup('long', WEB, { pool: 'nas' });
      await lab.until('it is under way', () => lockOf(lab) !== undefined, 600_000);
      await place(lab, 'other', 2);
      await endJob(lab, Backup, 'long', more);
      await lab.until('nothing is locked here', () => lockOf(lab) === undefined, 600_000);
      await lab.edit(VirtualMachine, 'web', { runStrategy: 'Always' });
      await place(lab, 'h1', 3);
      await lab.until('web runs here', () => lab.machine('web')?.status?.phase === 'Running', 600_000);
      expect(lab.backup('long')?.status?.phase).toBe('Failed');
      await agent.stop();
    },
  );

  it('leaves a Snapshot that is deleted where it lies, which says so until the guest comes back', async () => {
    const { lab, agent } = await labWithWeb();
    await lab.until('web is Ready', () => isReady(lab));
    lab.createSnapshot('first', WEB);
    await lab.until('it is taken', () => lab.snapshot('first')?.status?.phase === 'Ready');
    await place(lab, 'other', 2);
    await lab.remove(Snapshot, 'first');
    const ready = () => lab.conditionOf(lab.snapshot('first'), 'Ready');
    await lab.until('it says why', () => ready()?.reason === 'GuestElsewhere');
    expect(ready()?.message).toContain('the host other');
    await place(lab, 'h1', 3);
    await lab.until('it is gone', () => lab.snapshot('first') === undefined);
    await agent.stop();
  });

  it('has it not go on from a memory either that was kept for its next start, over what its disks hold by then', async () => {
    const { lab, agent } = await labWithWeb();
    await lab.until('web is Ready', () => isReady(lab));
    lab.createSnapshot('first', WEB, { memory: 'Include' });
    await lab.until('it is taken', () => lab.snapshot('first')?.status?.phase === 'Ready');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it is off', () => lab.machine('web')?.status?.phase === 'Stopped');
    lab.createRollback('back', 'first', WEB);
    await lab.until('it is rolled back', () => lab.rollback('back')?.status?.phase === 'Succeeded');
    await place(lab, 'other', 2);
    await lab.until('it was let go', () => lab.record(webId(lab))?.released === true);
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Always' });
    await place(lab, 'h1', 3);
    await lab.until('it runs here', () => lab.machine('web')?.status?.phase === 'Running');
    expect(lab.lives('machines').find(({ id }) => id === webId(lab))).not.toHaveProperty('woke');
    await agent.stop();
  });

  it('removes no snapshot from a disk that another host may have open by now', async () => {
    const snapshotsOf = (lab: Lab) => Object.values(poolOf(lab).snapshots ?? {}).flatMap(Object.keys);
    const story = async (crasher: Crasher) => {
      const { lab, agent } = await labWithWeb({}, {}, crasher);
      await lab.until('web is Ready', () => isReady(lab));
      lab.createSnapshot('first', WEB);
      await lab.until(
        'it is taken',
        () => crasher.isDead() || lab.snapshot('first')?.status?.phase === 'Ready',
      );
      await agent.stop();
      return lab;
    };
    const whole = createCrasher();
    await story(whole);
    const lab = await story(createCrasher(whole.effects().indexOf('snapshots.take') + 1, 'after'));
    expect(lockOf(lab)).toBeDefined();
    // With its host everything on it died.
    lab.disk.delete('/host/machines.json');
    await place(lab, 'other', 2);
    const returned = await lab.start();
    await lab.until('nothing is locked here', () => lockOf(lab) === undefined, 30_000);
    expect(snapshotsOf(lab)).toHaveLength(1);
    await returned.stop();
  });
});

describe('a Restore that had begun to change disks when its agent died', () => {
  it('makes what was prepared for it again when that has gone meanwhile', async () => {
    const { lab, agent, crasher } = await labWithWeb({}, { poolLatencyMs: 2_000 });
    await lab.until('web is Ready', () => isReady(lab));
    lab.createBackup('first', WEB, { pool: 'nas' });
    await lab.until('it is backed up', () => lab.backup('first')?.status?.phase === 'Succeeded', 60_000);
    lab.createRestore('back', 'first', WEB, { ifRunning: 'Stop' });
    const isChanging = () => lockOf(lab)?.changing === true;
    await diesWhen(lab, crasher, 'it is about to change the disk', isChanging);
    await agent.stop();
    lab.disk.set('/state/pools/nas/pool.json', JSON.stringify({ ...poolOf(lab), prepared: {} }));
    const next = await lab.start();
    const isOver = () => lab.restore('back')?.status?.phase === 'Succeeded';
    await lab.until('it is over', isOver, 60_000);
    await lab.until('web runs', () => isReady(lab));
    await next.stop();
  });
});
