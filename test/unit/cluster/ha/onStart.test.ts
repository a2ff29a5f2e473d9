/** `rebalancing.onStart`: a guest that was off starts on the best host. It is moved while it is off, and never taken from where it may run. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { createHaLab, type HaLab } from './haLab.ts';

const WHILE = 30_000;
const SOON = 20_000;

/** `db` is off on `a`, where two others run; `b` and `c` are empty. */
async function cluster(rebalancing: object = { onStart: true }, spec: object = {}) {
  const lab = await createHaLab();
  await lab.lead();
  await lab.switchOn({ rebalancing });
  for (const name of ['one', 'two']) lab.seedGuest(name, 'a', {});
  lab.seedGuest('db', 'a', { runStrategy: 'Halted', ...spec });
  await lab.until('it is off', () => lab.guest('db').status?.ha?.state === 'Stopped');
  return lab;
}

const run = (lab: HaLab, name: string, runStrategy: 'Always' | 'Halted' = 'Always') =>
  lab.api.mergePatch(VirtualMachine, { namespace: 'default', name }, { spec: { runStrategy } });
const moves = (lab: HaLab) => lab.moves().map(({ metadata, spec }) => [metadata.name, spec.targetHost]);

describe('a guest that was off and is to run', () => {
  it('starts where it was, by default', async () => {
    const lab = await cluster({});
    await run(lab, 'db');
    await lab.until('it runs', () => lab.whereRuns('db').length > 0);
    expect([lab.whereRuns('db'), moves(lab)]).toEqual([['a'], []]);
    await lab.resign();
  });

  it('starts on the best host, to which it was moved before', async () => {
    const lab = await cluster();
    await run(lab, 'db');
    await lab.until('it runs', () => lab.whereRuns('db').length > 0, SOON);
    expect([lab.whereRuns('db'), moves(lab)]).toEqual([['b'], [['ha-vm-db-1-start', 'b']]]);
    await lab.advance(WHILE);
    expect([lab.whereRuns('db'), moves(lab).length, lab.twice]).toEqual([['b'], 1, []]);
    await lab.resign();
  });

  it('starts where it is if no other host is better', async () => {
    const lab = await cluster();
    lab.seedGuest('three', 'b', {});
    lab.seedGuest('four', 'b', {});
    lab.seedGuest('five', 'c', {});
    lab.seedGuest('six', 'c', {});
    await lab.advance(3_000);
    await run(lab, 'db');
    await lab.until('it runs', () => lab.whereRuns('db').length > 0, SOON);
    expect([lab.whereRuns('db'), moves(lab)]).toEqual([['a'], []]);
    await lab.resign();
  });

  it('starts where it is while its volumes lie there alone', async () => {
    const lab = await cluster({ onStart: true }, { disks: [{ name: 'root', pool: 'local', size: '1Gi' }] });
    await run(lab, 'db');
    await lab.until('it runs', () => lab.whereRuns('db').length > 0);
    expect([lab.whereRuns('db'), moves(lab)]).toEqual([['a'], []]);
    await lab.resign();
  });

  it('goes to no host that is not to have it', async () => {
    const lab = await cluster();
    await lab.api.mergePatch(Host, { name: 'b' }, { spec: { unschedulable: true } });
    await run(lab, 'db');
    await lab.until('it runs', () => lab.whereRuns('db').length > 0, SOON);
    expect(lab.whereRuns('db')).toEqual(['c']);
    await lab.resign();
  });

  it('spreads with others that are started at the same time', async () => {
    const lab = await cluster();
    lab.seedGuest('web', 'a', { runStrategy: 'Halted' });
    await lab.until('it is off', () => lab.guest('web').status?.ha?.state === 'Stopped');
    await Promise.all([run(lab, 'db'), run(lab, 'web')]);
    await lab.until('both run', () => ['db', 'web'].every((name) => lab.whereRuns(name).length > 0), SOON);
    expect(['db', 'web'].flatMap(lab.whereRuns).sort()).toEqual(['b', 'c']);
    await lab.resign();
  });

  it('starts where it is when the move does not come about, which is not tried again', async () => {
    const lab = await cluster();
    lab.failsToMove.add('db');
    await run(lab, 'db');
    await lab.until('it runs', () => lab.whereRuns('db').length > 0, SOON);
    await lab.advance(WHILE);
    expect([lab.whereRuns('db'), moves(lab).length, lab.twice]).toEqual([['a'], 1, []]);
    await lab.resign();
  });

  it('starts where it is while nothing is to be moved', async () => {
    const lab = await createHaLab();
    await lab.lead();
    await lab.switchOn({ rebalancing: { onStart: true }, haPaused: 'Freeze' });
    lab.seedGuest('one', 'a', {});
    lab.seedGuest('db', 'a', { runStrategy: 'Halted' });
    await lab.until('it is off', () => lab.guest('db').status?.ha?.state === 'Stopped');
    await run(lab, 'db');
    await lab.until('it runs', () => lab.whereRuns('db').length > 0);
    expect([lab.whereRuns('db'), moves(lab)]).toEqual([['a'], []]);
    await lab.resign();
  });

  it('is started by a host that does not wait, and is never in two places', async () => {
    const lab = await cluster();
    lab.impatient.add('a');
    await run(lab, 'db');
    await lab.until('it runs', () => lab.whereRuns('db').length > 0);
    await lab.advance(WHILE);
    expect([lab.whereRuns('db').length, lab.twice]).toEqual([1, []]);
    await lab.resign();
  });
});

describe('a guest whose end is not certain', () => {
  it('is not touched while its host is away, however much room there is elsewhere', async () => {
    const lab = await cluster();
    await run(lab, 'db');
    lab.cutOff('a');
    lab.machine('a').running.set('db', 1);
    await lab.advance(8_000);
    expect([lab.guest('db').status?.placement?.host, lab.whereRuns('db')]).toEqual(['a', ['a']]);
    await lab.advance(60_000);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('stays when it runs, though it was on record as off', async () => {
    const lab = await cluster();
    lab.impatient.add('a');
    await lab.resign();
    await run(lab, 'db');
    await lab.until('its host has started it', () => lab.whereRuns('db').includes('a'));
    await lab.lead();
    await lab.advance(WHILE);
    expect([lab.whereRuns('db'), moves(lab), lab.twice]).toEqual([['a'], [], []]);
    await lab.resign();
  });
});

it.each([0, 1, 2, 3])(
  'a leader that dies after %d writes leaves a start that the next one finishes',
  async (after) => {
    const lab = await cluster();
    await lab.advance(2_000);
    lab.dieAfter(after);
    await run(lab, 'db');
    await lab.advance(3_000);
    await lab.succeed();
    await lab.until('it runs', () => lab.whereRuns('db').length > 0, SOON);
    await lab.advance(WHILE);
    expect([lab.whereRuns('db'), moves(lab).length, lab.twice]).toEqual([['b'], 1, []]);
    await lab.resign();
  },
);
