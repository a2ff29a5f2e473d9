/** Random sequences of backup, of everything or of what changed, prune, damage, verify, restore and delete of either kind of guest on a simulated host, beside a model of what must be left of each. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backup } from '../../../src/api/kinds/backup.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { zoneNamed } from '../../../src/cluster/schedules/cron.ts';
import { surplusBackups } from '../../../src/cluster/schedules/retention.ts';
import { createLab, type Lab } from './lab.ts';

const GUESTS = [
  { kind: 'VirtualMachine', name: 'web' },
  { kind: 'Container', name: 'web' },
] as const;
/** So many good ones a schedule keeps. */
const KEPT = 2;

type Guest = (typeof GUESTS)[number];
type Act = {
  act: 'BackUp' | 'Change' | 'Stop' | 'Prune' | 'Damage' | 'Verify' | 'Restore' | 'Delete';
  which: number;
};
type Told = {
  lab: Lab;
  guest: Guest;
  /** By the name of each Backup: whether its archive is as it was written, what others it needs, and whether it waits for others to go first. */
  model: Map<string, { isSound: boolean; needs: readonly string[]; isGoing: boolean }>;
  starts: number;
  count: number;
};

const acts = fc.array(
  fc.record({
    act: fc.constantFrom(
      ...(['BackUp', 'Change', 'Change', 'Stop', 'Prune', 'Damage', 'Verify', 'Restore', 'Delete'] as const),
    ),
    which: fc.nat(5),
  }),
  { minLength: 3, maxLength: 9 },
) as fc.Arbitrary<Act[]>;

const objectOf = ({ lab, guest }: Pick<Told, 'lab' | 'guest'>) =>
  guest.kind === 'Container' ? lab.container(guest.name) : lab.machine(guest.name);
const archivesIn = (lab: Lab) =>
  [...lab.disk.keys()].filter((path) => path.includes('/archives/') && path.endsWith('/manifest.json'));
const isReady = (told: Pick<Told, 'lab' | 'guest'>) =>
  told.lab.conditionOf(objectOf(told), 'Ready')?.status === 'True';

async function tell(told: Told, { act, which }: Act): Promise<void> {
  const { lab, model, guest } = told;
  told.count += 1;
  if (act === 'BackUp' || act === 'Change' || act === 'Stop') {
    // Named as those of schedules are: the last part is the minute.
    const name = `b-${told.count}`;
    const mode = act === 'Stop' ? 'Stop' : 'Snapshot';
    lab.createBackup(name, guest, { mode, ...(act === 'Change' ? { fullEvery: 3 } : {}) });
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
  if (act === 'Prune') return prune(told);
  const names = [...model].filter(([, { isGoing }]) => !isGoing).map(([name]) => name);
  const name = names[which % Math.max(1, names.length)];
  if (name === undefined) return;
  await onOne(told, act, name);
}

async function onOne(told: Told, act: Act['act'], name: string): Promise<void> {
  const { lab, model, count, guest } = told;
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
    lab.createRestore(`r${count}`, name, guest, { ifRunning: 'Stop' });
    await lab.until('it is over', () => lab.restore(`r${count}`)?.status?.completedAt !== undefined);
    expect(lab.restore(`r${count}`)?.status?.phase).toBe(isWhole ? 'Succeeded' : 'Failed');
    if (isWhole) told.starts += 1;
  } else await remove(told, name);
}

async function remove(told: Told, name: string): Promise<void> {
  const { lab, model } = told;
  const known = model.get(name);
  if (known === undefined) return;
  await lab.remove(Backup, name);
  model.set(name, { ...known, isGoing: true });
  for (let free = unneeded(told); free !== undefined; free = unneeded(told)) {
    const gone = free;
    await lab.until(`${gone} is gone`, () => lab.backup(gone) === undefined);
    model.delete(gone);
  }
}

/** As a schedule prunes: the newest stay of those that were not found damaged, and what they need. */
async function prune(told: Told): Promise<void> {
  const { lab, model } = told;
  const standing = [...model].filter(([, { isGoing }]) => !isGoing).map(([name]) => name);
  const all = [...model.keys()].map((name) => lab.backup(name) as Stored<Backup>);
  const gone = surplusBackups(all, { last: KEPT }, { zone: zoneNamed('UTC'), all });
  const kept = standing.filter((name) => !gone.some(({ metadata }) => metadata.name === name));
  const isGood = (name: string) =>
    [name, ...(model.get(name)?.needs ?? [])].every(
      (each) => lab.backup(each)?.status?.verified?.result !== 'Damaged',
    );
  const good = standing.filter(isGood);
  expect(kept.filter(isGood).slice(-KEPT)).toEqual(good.slice(-KEPT));
  // Also by those that wait to go.
  const stay = [...model].filter(([name]) => !gone.some(({ metadata }) => metadata.name === name));
  const needed = new Set(stay.flatMap(([, { needs }]) => needs));
  for (const name of kept.filter(isGood).slice(0, -KEPT)) expect(needed).toContain(name);
  const last = standing.indexOf(good.at(-1) ?? '');
  for (const name of kept.filter((each) => !isGood(each)))
    if (standing.indexOf(name) < last) expect(needed).toContain(name);
  for (const { metadata } of gone) {
    expect(needed).not.toContain(metadata.name);
    await remove(told, metadata.name);
  }
}

/** One that goes now: nobody needs it who can be read. */
function unneeded({ model }: Told): string | undefined {
  const needed = new Set([...model.values()].flatMap(({ isSound, needs }) => (isSound ? needs : [])));
  return [...model].find(([name, { isGoing }]) => isGoing && !needed.has(name))?.[0];
}

/** Whatever was told: the machine runs, nothing is locked or half-made, and there is one archive for each Backup. */
async function check(told: Told): Promise<void> {
  const { lab, model, starts, guest } = told;
  const id = lab.idOf(guest.kind, guest.name);
  await lab.until('it runs', () => isReady(told) && objectOf(told)?.status?.lock === undefined);
  expect(lab.record(id)).not.toHaveProperty('lock');
  expect(lab.starts(id)).toBe(starts);
  expect(archivesIn(lab)).toHaveLength(model.size);
  const pool = JSON.parse(lab.disk.get('/state/pools/local/pool.json') ?? '{}') as { prepared?: object };
  expect(Object.keys(pool.prepared ?? {})).toEqual([]);
}

function createGuest(lab: Lab, { kind, name }: Guest): void {
  lab.createPool('local');
  if (kind === 'VirtualMachine')
    lab.createMachine(name, { disks: [{ name: 'data', pool: 'local', size: '1Gi' }] });
  else {
    lab.createImage('root', { kind: 'ContainerRootfs', source: { build: { recipe: 'BusyboxRootfs' } } });
    lab.createContainer(name);
  }
}

describe.each(GUESTS)('backups of a $kind', (guest) => {
  it('are what a model says, whatever is done with them in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(acts, async (sequence) => {
        const lab = createLab();
        createGuest(lab, guest);
        const agent = await lab.start();
        const told: Told = { lab, guest, model: new Map(), starts: 1, count: 0 };
        await lab.until('it is Ready', () => isReady(told));
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
