/** Random sequences of backup, of everything or of what changed, damage, verify, restore and delete on a simulated host, beside a model of what must be left of each. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backup } from '../../../src/api/kinds/backup.ts';
import { createLab, type Lab } from './lab.ts';

const WEB = { kind: 'VirtualMachine', name: 'web' } as const;

type Act = { act: 'BackUp' | 'Change' | 'Stop' | 'Damage' | 'Verify' | 'Restore' | 'Delete'; which: number };
type Told = {
  lab: Lab;
  /** By the name of each Backup: whether its archive is as it was written, what others it needs, and whether it waits for others to go first. */
  model: Map<string, { isSound: boolean; needs: readonly string[]; isGoing: boolean }>;
  starts: number;
  count: number;
};

const acts = fc.array(
  fc.record({
    act: fc.constantFrom('BackUp', 'Change', 'Change', 'Stop', 'Damage', 'Verify', 'Restore', 'Delete'),
    which: fc.nat(5),
  }),
  { minLength: 3, maxLength: 9 },
) as fc.Arbitrary<Act[]>;

const webId = (lab: Lab) => lab.idOf('VirtualMachine', 'web');
const archivesIn = (lab: Lab) =>
  [...lab.disk.keys()].filter((path) => path.includes('/archives/') && path.endsWith('/manifest.json'));
const isReady = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True';

async function tell(told: Told, { act, which }: Act): Promise<void> {
  const { lab, model } = told;
  told.count += 1;
  if (act === 'BackUp' || act === 'Change' || act === 'Stop') {
    const name = `b${told.count}`;
    const mode = act === 'Stop' ? 'Stop' : 'Snapshot';
    lab.createBackup(name, WEB, { mode, ...(act === 'Change' ? { fullEvery: 3 } : {}) });
    await lab.until(`${name} is over`, () => lab.backup(name)?.status?.completedAt !== undefined);
    expect(lab.backup(name)?.status?.phase).toBe('Succeeded');
    const { needs = [] } = lab.backup(name)?.status ?? {};
    expect(needs.length).toBeLessThan(act === 'Change' ? 3 : 1);
    const known = [...model.keys()].filter((other) =>
      needs.includes(String(lab.backup(other)?.status?.archive)),
    );
    expect(known).toHaveLength(needs.length);
    model.set(name, { isSound: true, needs: known, isGoing: false });
    if (act === 'Stop') told.starts += 1;
    return;
  }
  const names = [...model].filter(([, { isGoing }]) => !isGoing).map(([name]) => name);
  const name = names[which % Math.max(1, names.length)];
  if (name === undefined) return;
  await onOne(told, act, name);
}

async function onOne(told: Told, act: Act['act'], name: string): Promise<void> {
  const { lab, model, count } = told;
  const known = model.get(name);
  if (known === undefined) return;
  const isWhole = [name, ...known.needs].every((each) => model.get(each)?.isSound === true);
  const archive = String(lab.backup(name)?.status?.archive);
  if (act === 'Damage') {
    // What waits for it would be looked at again only much later.
    if (known.needs.some((each) => model.get(each)?.isGoing === true)) return;
    lab.disk.set(archivesIn(lab).find((path) => path.includes(archive)) ?? '', '{}');
    model.set(name, { ...known, isSound: false });
  } else if (act === 'Verify') {
    lab.createVerify(`v${count}`, name);
    await lab.until('it is verified', () => lab.verify(`v${count}`)?.status?.completedAt !== undefined);
    expect(lab.verify(`v${count}`)?.status?.phase).toBe(isWhole ? 'Succeeded' : 'Failed');
  } else if (act === 'Restore') {
    lab.createRestore(`r${count}`, name, WEB, { ifRunning: 'Stop' });
    await lab.until('it is over', () => lab.restore(`r${count}`)?.status?.completedAt !== undefined);
    expect(lab.restore(`r${count}`)?.status?.phase).toBe(isWhole ? 'Succeeded' : 'Failed');
    if (isWhole) told.starts += 1;
  } else {
    await lab.remove(Backup, name);
    model.set(name, { ...known, isGoing: true });
    for (let free = unneeded(told); free !== undefined; free = unneeded(told)) {
      const gone = free;
      await lab.until(`${gone} is gone`, () => lab.backup(gone) === undefined);
      model.delete(gone);
    }
  }
}

/** One that goes now: nobody needs it who can be read. */
function unneeded({ model }: Told): string | undefined {
  const needed = new Set([...model.values()].flatMap(({ isSound, needs }) => (isSound ? needs : [])));
  return [...model].find(([name, { isGoing }]) => isGoing && !needed.has(name))?.[0];
}

/** Whatever was told: the machine runs, nothing is locked or half-made, and there is one archive for each Backup. */
async function check({ lab, model, starts }: Told): Promise<void> {
  await lab.until('it runs', () => isReady(lab) && lab.machine('web')?.status?.lock === undefined);
  expect(lab.record(webId(lab))).not.toHaveProperty('lock');
  expect(lab.starts(webId(lab))).toBe(starts);
  expect(archivesIn(lab)).toHaveLength(model.size);
  const pool = JSON.parse(lab.disk.get('/state/pools/local/pool.json') ?? '{}') as { prepared?: object };
  expect(Object.keys(pool.prepared ?? {})).toEqual([]);
}

describe('backups', () => {
  it('are what a model says, whatever is done with them in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(acts, async (sequence) => {
        const lab = createLab();
        lab.createPool('local');
        lab.createMachine('web', { disks: [{ name: 'data', pool: 'local', size: '1Gi' }] });
        const agent = await lab.start();
        await lab.until('web is Ready', () => isReady(lab));
        const told: Told = { lab, model: new Map(), starts: 1, count: 0 };
        for (const act of sequence) {
          await tell(told, act);
          await check(told);
        }
        await agent.stop();
      }),
      { numRuns: 50 },
    );
  }, 120_000);
});
