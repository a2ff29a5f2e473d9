/** Snapshots of a guest on shared storage are in its disks: whichever host has the guest has them. */
import { describe, expect, it } from 'vitest';
import { Snapshot } from '../../../src/api/kinds/snapshot.ts';
import { type Crasher, createCrasher } from './crasher.ts';
import type { Lab } from './lab.ts';
import { isReady, labWithWeb, place, poolOf, WEB, webId, write, written } from './sharedGuest.ts';

const inPool = (lab: Lab) => Object.values(poolOf(lab).snapshots ?? {}).flatMap(Object.keys);
const ready = (lab: Lab, name: string) => lab.conditionOf(lab.snapshot(name), 'Ready');
const recorded = (lab: Lab) =>
  (lab.record(webId(lab))?.snapshots ?? []) as { name: string; parent?: string }[];
/** As on a host that never had it. */
const forget = (lab: Lab) => lab.disk.delete(`/state/guests/${webId(lab)}/record.json`);

async function withSnapshots(names: readonly string[], more: object = {}) {
  const { lab, agent } = await labWithWeb();
  await lab.until('web is Ready', () => isReady(lab));
  for (const name of names) {
    lab.createSnapshot(name, WEB, more);
    await lab.until('it is taken', () => lab.snapshot(name)?.status?.phase === 'Ready');
  }
  return { lab, agent };
}

/** This host is lost, the guest recovered on another, and what this test calls h1 from then on is that one. */
async function recoveredOnAnother(lab: Lab, agent: { stop(): Promise<void> }) {
  await agent.stop();
  lab.disk.delete('/host/machines.json');
  forget(lab);
  await place(lab, 'h1', 2);
  const there = await lab.start();
  await lab.until('web runs there', () => recorded(lab) !== undefined && isReady(lab));
  return there;
}

describe('snapshots of a guest that was recovered on another host', () => {
  it('are had there: it goes back to one, and they go with their objects', async () => {
    const { lab, agent } = await withSnapshots(['first', 'second']);
    const there = await recoveredOnAnother(lab, agent);
    await lab.until('they are taken over', () => recorded(lab).length === 2);
    expect(lab.snapshot('second')?.status).toMatchObject({ phase: 'Ready', parent: 'first' });
    write(lab, 777);
    lab.createRollback('back', 'first', WEB, { ifRunning: 'Stop' });
    await lab.until('it went back', () => lab.rollback('back')?.status?.phase === 'Succeeded');
    expect(written(lab)).not.toEqual([777]);
    for (const name of ['first', 'second']) await lab.remove(Snapshot, name);
    await lab.until('both are gone', () => !lab.snapshot('first') && !lab.snapshot('second'));
    expect(inPool(lab)).toEqual([]);
    await there.stop();
  });

  it('that are deleted before that host knows of them are removed from its disks all the same', async () => {
    const { lab, agent } = await withSnapshots(['first']);
    await agent.stop();
    await lab.remove(Snapshot, 'first');
    const there = await recoveredOnAnother(lab, agent);
    await lab.until('it is gone', () => lab.snapshot('first') === undefined);
    expect(inPool(lab)).toEqual([]);
    await there.stop();
  });

  it('have no memory there: it stayed behind', async () => {
    const { lab, agent } = await withSnapshots(['first'], { memory: 'Include' });
    expect(lab.snapshot('first')?.status?.memory).toBeDefined();
    const there = await recoveredOnAnother(lab, agent);
    await lab.until('it is taken over', () => recorded(lab).length === 1);
    await lab.until('it says so', () => lab.snapshot('first')?.status?.memory === undefined);
    expect(lab.snapshot('first')?.status?.phase).toBe('Ready');
    await there.stop();
  });

  it('are lost where the disks do not hold them', async () => {
    const { lab, agent } = await withSnapshots(['first']);
    await agent.stop();
    lab.disk.set('/state/pools/nas/pool.json', JSON.stringify({ ...poolOf(lab), snapshots: {} }));
    const there = await recoveredOnAnother(lab, agent);
    await lab.until('it says so', () => lab.snapshot('first')?.status?.phase === 'Lost');
    expect(ready(lab, 'first')?.reason).toBe('SnapshotLost');
    await there.stop();
  });

  it('are had at home again when the guest comes back, without those that were deleted meanwhile', async () => {
    const { lab, agent } = await withSnapshots(['first', 'second']);
    await place(lab, 'other', 2);
    await lab.patchStatus(Snapshot, 'first', { host: 'other' });
    await lab.patchStatus(Snapshot, 'second', { host: 'other' });
    await lab.until('nothing of them is known here', () => recorded(lab).length === 0);
    const ref = { namespace: 'default', name: 'first' };
    await lab.user.mergePatch(Snapshot, ref, { metadata: { finalizers: null } });
    await lab.remove(Snapshot, 'first');
    await place(lab, 'h1', 3);
    await lab.patchStatus(Snapshot, 'second', { host: 'h1' });
    await lab.until('the other is known again', () => recorded(lab).length === 1);
    expect(recorded(lab)).toMatchObject([{ name: 'second' }]);
    await agent.stop();
  });

  it('that were being taken leave nothing in its disks once their objects are deleted', async () => {
    const story = async (crasher: Crasher) => {
      const { lab, agent } = await labWithWeb({}, {}, crasher);
      await lab.until('web is Ready', () => isReady(lab));
      lab.createSnapshot('first', WEB);
      const isTaken = () => crasher.isDead() || lab.snapshot('first')?.status?.phase === 'Ready';
      await lab.until('it is taken', isTaken);
      return { lab, agent };
    };
    const whole = createCrasher();
    await (await story(whole)).agent.stop();
    const { lab, agent } = await story(createCrasher(whole.effects().indexOf('snapshots.take') + 1, 'after'));
    expect(inPool(lab)).toHaveLength(1);
    await lab.patchStatus(Snapshot, 'first', {
      phase: 'Failed',
      conditions: [
        {
          ...{ type: 'Ready', status: 'False', reason: 'HostLost', message: 'its host was lost' },
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    });
    const there = await recoveredOnAnother(lab, agent);
    expect(inPool(lab)).toHaveLength(1);
    await lab.remove(Snapshot, 'first');
    await lab.until('it is gone', () => lab.snapshot('first') === undefined);
    expect(inPool(lab)).toEqual([]);
    await there.stop();
  });
});

describe('a guest with snapshots', () => {
  const migratable = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Migratable')?.reason;

  it('may move where they are in shared storage, and not with memory that lies on its host', async () => {
    const { lab, agent } = await withSnapshots(['plain']);
    expect(migratable(lab)).not.toBe('HasSnapshots');
    lab.createSnapshot('warm', WEB, { memory: 'Include' });
    await lab.until('it may not', () => migratable(lab) === 'HasSnapshots');
    const { message } = lab.conditionOf(lab.machine('web'), 'Migratable') ?? {};
    expect(message).toContain('warm');
    expect(message).not.toContain('plain');
    await agent.stop();
  });
});
