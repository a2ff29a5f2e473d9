/** Snapshots of machines with their memory, and machines that go on from there. */
import { describe, expect, it } from 'vitest';
import { Snapshot } from '../../../src/api/kinds/snapshot.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { crashEverywhere } from './crashEverywhere.ts';
import { createLab, type Lab, type LabOptions } from './lab.ts';

const GUEST = { kind: 'VirtualMachine', name: 'web' } as const;
const webId = (lab: Lab) => lab.idOf('VirtualMachine', 'web');
const life = (lab: Lab) =>
  lab.lives('machines').find(({ id }) => id === webId(lab)) as { state: string; woke?: string };
const isReady = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True';
const phase = (lab: Lab, name: string) => lab.snapshot(name)?.status?.phase;
const keyOf = (lab: Lab, name: string) => `snap-${lab.snapshot(name)?.metadata.uid}`;
const run = (lab: Lab) => lab.record(webId(lab))?.run as { memory?: string };
const handle = (lab: Lab) => ({ id: webId(lab), uuid: '', name: 'default/web', directory: '' });
/** Names of the snapshots whose memory lies on the host. */
const kept = (lab: Lab) =>
  [...lab.disk].flatMap(([path, text]) => (path.includes('/memory-') && text !== '' ? [path] : []));

async function labWithWeb(options: LabOptions = {}, spec: object = {}) {
  const lab = createLab(options);
  lab.createPool('local');
  lab.createMachine('web', { disks: [{ name: 'data', pool: 'local', size: '1Gi' }], ...spec });
  const agent = await lab.start();
  await lab.until('web is Ready', () => isReady(lab));
  return { lab, agent };
}

async function take(lab: Lab, name: string, memory: 'Include' | 'Exclude' = 'Include') {
  lab.createSnapshot(name, GUEST, { memory });
  await lab.until(`${name} is taken`, () => !['Pending', 'Taking', undefined].includes(phase(lab, name)));
}

async function rollBack(lab: Lab, snapshot: string) {
  const name = `to-${snapshot}`;
  lab.createRollback(name, snapshot, GUEST, { ifRunning: 'Stop' });
  await lab.until(`${name} is over`, () => lab.rollback(name)?.status?.completedAt !== undefined);
  expect(lab.rollback(name)?.status?.phase).toBe('Succeeded');
}

describe('a snapshot with memory', () => {
  it('lets the machine run on, and a rollback has it go on from there, once', async () => {
    const { lab, agent } = await labWithWeb();
    await take(lab, 'first');
    expect(lab.snapshot('first')?.status).toMatchObject({ phase: 'Ready', consistency: 'Crash' });
    expect(lab.snapshot('first')?.status?.memory).toBeDefined();
    expect(life(lab).state).toBe('Running');
    expect(lab.record(webId(lab))).not.toHaveProperty('lock');
    await rollBack(lab, 'first');
    await lab.until('it runs again', () => isReady(lab) && life(lab).state === 'Running');
    expect(life(lab).woke).toBe(keyOf(lab, 'first'));
    // Its disks have gone on since: the next start is a boot.
    await lab.edit(VirtualMachine, 'web', { restartToken: 'again' });
    await lab.until('it was booted', () => lab.starts(webId(lab)) === 3 && isReady(lab));
    expect(life(lab).woke).toBeUndefined();
    await lab.remove(Snapshot, 'first');
    await lab.until('it is gone', () => lab.snapshot('first') === undefined);
    expect(kept(lab)).toEqual([]);
    await agent.stop();
  });

  it('is without one where it is not asked for, or the machine is off', async () => {
    const { lab, agent } = await labWithWeb();
    await take(lab, 'without', 'Exclude');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it is off', () => life(lab).state === 'Off');
    await take(lab, 'off');
    for (const name of ['without', 'off']) expect(lab.snapshot(name)?.status).not.toHaveProperty('memory');
    expect(lab.snapshot('off')?.status?.consistency).toBe('Filesystem');
    expect(kept(lab)).toEqual([]);
    await agent.stop();
  });

  it('is what a machine that is off goes on from when it is started, unless other disks are given to it before', async () => {
    const { lab, agent } = await labWithWeb();
    await take(lab, 'first');
    await take(lab, 'without', 'Exclude');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it is off', () => life(lab).state === 'Off');
    await rollBack(lab, 'first');
    expect(run(lab).memory).toBe(keyOf(lab, 'first'));
    expect(life(lab).state).toBe('Off');
    await rollBack(lab, 'without');
    expect(run(lab)).not.toHaveProperty('memory');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Always' });
    await lab.until('it runs', () => life(lab).state === 'Running');
    expect(life(lab).woke).toBeUndefined();
    await agent.stop();
  });

  it('is forgotten for the disks of a backup', async () => {
    const { lab, agent } = await labWithWeb();
    lab.createBackup('saved', GUEST);
    await lab.until('it is saved', () => lab.backup('saved')?.status?.phase === 'Succeeded');
    await take(lab, 'first');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it is off', () => life(lab).state === 'Off');
    await rollBack(lab, 'first');
    lab.createRestore('restore', 'saved', GUEST);
    await lab.until('it is restored', () => lab.restore('restore')?.status?.phase === 'Succeeded');
    expect(run(lab)).not.toHaveProperty('memory');
    await agent.stop();
  });

  it('that cannot be gone on from is said, and the machine is booted', async () => {
    const { lab, agent } = await labWithWeb();
    await take(lab, 'first');
    lab.faults['default/web'] = { failWake: true };
    await rollBack(lab, 'first');
    await lab.until('it runs again', () => isReady(lab) && life(lab).state === 'Running');
    expect(life(lab).woke).toBeUndefined();
    expect(run(lab)).not.toHaveProperty('memory');
    await agent.stop();
  });

  it('is tried again when the machine did not start for another reason', async () => {
    const { lab, agent } = await labWithWeb();
    await take(lab, 'first');
    lab.faults['default/web'] = { failStarts: 1 };
    await rollBack(lab, 'first');
    await lab.until('it runs again', () => isReady(lab) && life(lab).state === 'Running');
    expect(life(lab).woke).toBe(keyOf(lab, 'first'));
    await agent.stop();
  });

  it('is not taken of one that stands still, nor of one that goes off meanwhile', async () => {
    const { lab, agent } = await labWithWeb({ latency: { memoryMs: 20_000 } });
    const why = (name: string) => lab.conditionOf(lab.snapshot(name), 'Ready')?.reason;
    await agent.machines.pause(handle(lab));
    await lab.until('it stands still', () => life(lab).state === 'Paused');
    await take(lab, 'paused');
    expect(why('paused')).toBe('GuestPaused');
    expect(life(lab).state).toBe('Paused');
    await agent.machines.resume(handle(lab));
    await lab.until('it runs', () => life(lab).state === 'Running');
    lab.createSnapshot('first', GUEST, { memory: 'Include' });
    await lab.until('it is being written', () => phase(lab, 'first') === 'Taking');
    await lab.until('that is seen', () => lab.machine('web')?.status?.lock?.operation === 'Snapshot');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it failed', () => phase(lab, 'first') === 'Failed');
    expect(why('first')).toBe('MemoryNotKept');
    expect(lab.record(webId(lab))).not.toHaveProperty('lock');
    expect(kept(lab)).toEqual([]);
    await agent.stop();
  });

  it('is called off by deletion, and the machine has not noticed', async () => {
    const { lab, agent } = await labWithWeb({ latency: { memoryMs: 60_000 } });
    lab.createSnapshot('first', GUEST, { memory: 'Include' });
    await lab.until('it is being written', () => phase(lab, 'first') === 'Taking');
    await lab.remove(Snapshot, 'first');
    await lab.until('it is gone', () => lab.snapshot('first') === undefined);
    expect(life(lab).state).toBe('Running');
    expect(lab.record(webId(lab))).not.toHaveProperty('lock');
    expect(lab.starts(webId(lab))).toBe(1);
    await agent.stop();
  });
});

describe('an agent that dies at any moment', () => {
  const prepare = async (lab: Lab, more: (lab: Lab) => Promise<void> = async () => {}) => {
    lab.createPool('local');
    lab.createMachine('web', { disks: [{ name: 'data', pool: 'local', size: '1Gi' }] });
    const agent = await lab.start();
    await lab.until('web is Ready', () => isReady(lab));
    await more(lab);
    await agent.stop();
  };

  it('of a snapshot with memory leaves one that is taken in the end, of a machine that runs on', async () => {
    await crashEverywhere({
      prepare: async (lab) => {
        await prepare(lab);
        lab.createSnapshot('first', GUEST, { memory: 'Include' });
      },
      isOver: (lab) => phase(lab, 'first') === 'Ready',
      check: (lab) => {
        expect(life(lab).state).toBe('Running');
        expect(lab.starts(webId(lab))).toBe(1);
        expect(lab.record(webId(lab))).not.toHaveProperty('lock');
        expect(lab.snapshot('first')?.status?.memory).toBeDefined();
        expect(kept(lab)).toHaveLength(1);
      },
    });
  }, 120_000);

  it('of a rollback to one never has the machine go on from its memory twice', async () => {
    let woken = 0;
    const effects = await crashEverywhere({
      prepare: async (lab) => {
        await prepare(lab, (running) => take(running, 'first'));
        lab.createRollback('back', 'first', GUEST, { ifRunning: 'Stop' });
      },
      isOver: (lab) => lab.rollback('back')?.status?.completedAt !== undefined,
      check: (lab) => {
        expect(lab.rollback('back')?.status?.phase).toBe('Succeeded');
        expect(life(lab).state).toBe('Running');
        expect(run(lab)).not.toHaveProperty('memory');
        expect(lab.starts(webId(lab))).toBe(2);
        if (life(lab).woke !== undefined) woken += 1;
      },
    });
    // But for a crash between the last word of the gate and the first instruction, which cannot be told from one just after it.
    expect(woken).toBeGreaterThan(2 * effects - 3);
  }, 120_000);
});
