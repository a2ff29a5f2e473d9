/** Backups of what changed since others, on a simulated host: what they are based on, what that keeps, and what becomes of the marks on disks. */
import { describe, expect, it } from 'vitest';
import { Backup, type BackupSpec } from '../../../src/api/kinds/backup.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { crashEverywhere } from './crashEverywhere.ts';
import { createLab, type Lab } from './lab.ts';

const WEB = { kind: 'VirtualMachine', name: 'web' } as const;
const webId = (lab: Lab) => lab.idOf('VirtualMachine', 'web');
const life = (lab: Lab) => lab.lives('machines').find(({ id }) => id === webId(lab));
const isReady = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True';
const statusOf = (lab: Lab, name: string) => lab.backup(name)?.status;
const archiveOf = (lab: Lab, name: string) => String(statusOf(lab, name)?.archive);
const isOver = (lab: Lab, name: string) => statusOf(lab, name)?.completedAt !== undefined;
const bitmapOf = (lab: Lab, name: string) => statusOf(lab, name)?.parts?.[0]?.bitmap;
const marksOf = (lab: Lab) => (life(lab) as { marks?: string[] } | undefined)?.marks ?? [];

async function withWeb(lab: Lab) {
  for (const pool of ['local', 'other']) lab.createPool(pool);
  lab.createMachine('web', { disks: [{ name: 'data', pool: 'local', size: '1Gi' }] });
  const agent = await lab.start();
  await lab.until('web is Ready', () => isReady(lab));
  return agent;
}

async function backUp(lab: Lab, name: string, more: Partial<BackupSpec> = {}) {
  lab.createBackup(name, WEB, { fullEvery: 3, ...more });
  await lab.until(`${name} is over`, () => isOver(lab, name));
}

async function labWithChain(names: readonly string[], more: Partial<BackupSpec> = {}) {
  const lab = createLab();
  const agent = await withWeb(lab);
  for (const name of names) await backUp(lab, name, more);
  return { lab, agent };
}

describe('a backup of what changed', () => {
  it('needs those it is based on, and every so many are of everything again', async () => {
    const { lab, agent } = await labWithChain(['a', 'b', 'c', 'd', 'e']);
    const needs = (name: string) => statusOf(lab, name)?.needs;
    expect(['a', 'd'].map(needs)).toEqual([undefined, undefined]);
    expect(needs('b')).toEqual([archiveOf(lab, 'a')]);
    expect(needs('c')).toEqual(['b', 'a'].map((name) => archiveOf(lab, name)));
    expect(needs('e')).toEqual([archiveOf(lab, 'd')]);
    expect(['a', 'b', 'c', 'd', 'e'].map((name) => bitmapOf(lab, name))).toEqual([
      ...['New', 'Used', 'Used', 'New', 'Used'],
    ]);
    expect(marksOf(lab)).toEqual([archiveOf(lab, 'e')]);
    await agent.stop();
  });

  it('goes on with a new chain also where its first was taken in the same second as the last of the one before', async () => {
    const { lab, agent } = await labWithChain(['a', 'b', 'c', 'd', 'e'], { fullEvery: 2 });
    const taken = ['a', 'b', 'c', 'd', 'e'].map((name) => String(statusOf(lab, name)?.takenAt));
    expect(new Set(taken.map((time) => time.slice(0, 19))).size).toBeLessThan(3);
    const needs = (name: string) => statusOf(lab, name)?.needs;
    expect(['a', 'c', 'e'].map(needs)).toEqual([undefined, undefined, undefined]);
    expect(needs('b')).toEqual([archiveOf(lab, 'a')]);
    expect(needs('d')).toEqual([archiveOf(lab, 'c')]);
    await agent.stop();
  });

  it('has one of an earlier version, which told whole seconds, for older than those of its second', async () => {
    const { lab, agent } = await labWithChain(['a', 'b'], { fullEvery: 2 });
    const second = String(statusOf(lab, 'b')?.takenAt).slice(0, 19);
    await lab.user.mergePatch(
      Backup,
      { namespace: 'default', name: 'b' },
      { status: { takenAt: `${second}Z` } },
      { subresource: 'status' },
    );
    await backUp(lab, 'c', { fullEvery: 2 });
    expect(String(statusOf(lab, 'c')?.takenAt).slice(0, 19)).toBe(second);
    await backUp(lab, 'd', { fullEvery: 2 });
    expect(statusOf(lab, 'd')?.needs).toEqual([archiveOf(lab, 'c')]);
    await agent.stop();
  });

  it('has a chain in each pool, and none where nobody asked for one', async () => {
    const { lab, agent } = await labWithChain(['a']);
    await backUp(lab, 'far', { pool: 'other' });
    await backUp(lab, 'full', { fullEvery: 1 });
    await backUp(lab, 'b');
    expect(statusOf(lab, 'far')?.needs).toBeUndefined();
    expect(bitmapOf(lab, 'full')).toBeUndefined();
    expect(statusOf(lab, 'b')?.needs).toEqual([archiveOf(lab, 'a')]);
    expect(marksOf(lab).toSorted()).toEqual(['far', 'b'].map((name) => archiveOf(lab, name)).toSorted());
    await agent.stop();
  });

  it('is of everything when the marks have gone with their process, or with a stop for it', async () => {
    const { lab, agent } = await labWithChain(['a']);
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it is off', () => life(lab)?.state === 'Off');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Always' });
    await lab.until('it runs', () => isReady(lab));
    await backUp(lab, 'b');
    await backUp(lab, 'c', { mode: 'Stop' });
    await backUp(lab, 'd');
    expect(['b', 'c', 'd'].map((name) => bitmapOf(lab, name))).toEqual(['Recreated', 'Recreated', 'Used']);
    expect(statusOf(lab, 'd')?.needs).toEqual([archiveOf(lab, 'c')]);
    await agent.stop();
  });

  it('is of everything when the disk has grown', async () => {
    const { lab, agent } = await labWithChain(['a']);
    await lab.edit(VirtualMachine, 'web', { disks: [{ name: 'data', pool: 'local', size: '2Gi' }] });
    await lab.until('it has grown', () => lab.machine('web')?.status?.volumes?.[0]?.size === '2Gi');
    await backUp(lab, 'b');
    expect(statusOf(lab, 'b')?.needs).toBeUndefined();
    await agent.stop();
  });

  it('goes by the last whole one when one fails, and leaves no mark of it', async () => {
    const { lab, agent } = await labWithChain(['a']);
    lab.poolFaults.full = true;
    await backUp(lab, 'full');
    expect(statusOf(lab, 'full')?.phase).toBe('Failed');
    expect(marksOf(lab)).toEqual([archiveOf(lab, 'a')]);
    lab.poolFaults.full = false;
    await backUp(lab, 'b');
    expect(statusOf(lab, 'b')?.needs).toEqual([archiveOf(lab, 'a')]);
    await agent.stop();
  });

  it('is never based on one that was found damaged, or that is to go', async () => {
    const { lab, agent } = await labWithChain(['a', 'b'], { fullEvery: 10 });
    const manifest = `/state/pools/local/archives/${archiveOf(lab, 'a')}/manifest.json`;
    const text = lab.disk.get(manifest) ?? '';
    lab.disk.set(manifest, '{}');
    lab.createVerify('v', 'a');
    await lab.until('it is known', () => statusOf(lab, 'a')?.verified?.result === 'Damaged');
    lab.disk.set(manifest, text);
    await backUp(lab, 'c', { fullEvery: 10 });
    expect(statusOf(lab, 'c')?.needs).toBeUndefined();
    await backUp(lab, 'd', { fullEvery: 10 });
    await lab.remove(Backup, 'c');
    await backUp(lab, 'e', { fullEvery: 10 });
    expect(statusOf(lab, 'd')?.needs).toEqual([archiveOf(lab, 'c')]);
    expect(statusOf(lab, 'e')?.needs).toBeUndefined();
    await agent.stop();
  });

  it('keeps what it needs: that goes when the last has gone that needs it', async () => {
    const { lab, agent } = await labWithChain(['a', 'b', 'c']);
    for (const name of ['a', 'b']) await lab.remove(Backup, name);
    await lab.clock.advance(60_000);
    expect(lab.backup('a')).toBeDefined();
    lab.createVerify('v', 'c');
    await lab.until('it is whole', () => statusOf(lab, 'c')?.verified?.result === 'Whole');
    await lab.remove(Backup, 'c');
    await lab.until('all are gone', () => ['a', 'b', 'c'].every((name) => lab.backup(name) === undefined));
    expect([...lab.disk.keys()].filter((path) => path.endsWith('/manifest.json'))).toEqual([]);
    await agent.stop();
  });
});

describe('an agent that dies anywhere in a backup of what changed', () => {
  it('leaves one that can be read, and no mark without its archive', async () => {
    const effects = await crashEverywhere({
      prepare: async (lab) => {
        const agent = await withWeb(lab);
        await backUp(lab, 'a');
        await agent.stop();
        lab.createBackup('b', WEB, { fullEvery: 3 });
      },
      isOver: (lab) => isOver(lab, 'b'),
      check: (lab) => {
        expect(statusOf(lab, 'b')).toMatchObject({ phase: 'Succeeded', needs: [archiveOf(lab, 'a')] });
        const whole = ['a', 'b'].map((name) => archiveOf(lab, name));
        expect(marksOf(lab)).toContain(whole[1]);
        for (const mark of marksOf(lab)) expect(whole).toContain(mark);
        expect(life(lab)).toMatchObject({ state: 'Running' });
        expect(lab.record(webId(lab))).not.toHaveProperty('lock');
      },
    });
    expect(effects).toBeGreaterThan(5);
  }, 120_000);
});
