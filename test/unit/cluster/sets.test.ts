/** Guests that strict rules keep together and of which one is to move: all go to one host, behind its Migration, or none does. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../../src/api/kinds/host.ts';
import { Migration } from '../../../src/api/kinds/migration.ts';
import { VirtualMachine, type VirtualMachineSpec } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { createLedger } from '../../../src/cluster/placement/ledger.ts';
import { createScheduler } from '../../../src/cluster/placement/scheduler.ts';
import { host, machine } from './builders.ts';
import { createMigrationLab, movable } from './migrationLab.ts';

type Lab = ReturnType<typeof createMigrationLab>;

const bound = (to: string, more: Partial<VirtualMachineSpec> = {}): Partial<VirtualMachineSpec> => ({
  placement: { keepTogether: [{ policy: 'Required', guest: { kind: 'VirtualMachine', name: to } }] },
  ...more,
});

/** web and db, which web keeps with it, run on h1; h2 and h3 are free. */
function labWithSet({ web = {}, db = {} }: { web?: object; db?: Partial<VirtualMachineSpec> } = {}) {
  const lab = createMigrationLab();
  for (const name of ['h1', 'h2', 'h3']) lab.api.seed(Host, host(name));
  lab.api.seed(VirtualMachine, machine('web', bound('db', web), movable('h1')));
  lab.api.seed(VirtualMachine, machine('db', db, movable('h1')));
  return { lab, ...lab.lead() };
}

const followers = (lab: Lab) =>
  lab.api.state
    .list(Migration)
    .map((one) => one as Stored<Migration>)
    .filter(({ spec }) => spec.follows !== undefined);
const behind = (lab: Lab, guest = 'db') =>
  followers(lab).find(({ spec }) => spec.guest.name === guest) as Stored<Migration>;
const nameOf = (lab: Lab, guest = 'db') => behind(lab, guest).metadata.name;

/** What both agents would write: the guest is on its target. */
async function arrive(lab: Lab, name: string) {
  const { spec, status } = lab.migration(name) as Stored<Migration>;
  const ref = { namespace: 'default', name: spec.guest.name };
  const placement = { host: status?.targetHost, epoch: (status?.epoch ?? 0) + 1 };
  await lab.api.mergePatch(VirtualMachine, ref, { status: { placement } }, { subresource: 'status' });
  await lab.say(name, { phase: 'Succeeded', completedAt: at(lab) });
}

const at = (lab: Lab) => `${new Date(lab.clock.now()).toISOString().slice(0, 19)}Z`;

describe('a move of one of them', () => {
  it('takes the other along to the same host, which has promised memory to both', async () => {
    const { lab, ledger } = labWithSet();
    expect(await lab.ask('m', { targetHost: 'h2', priority: 7 })).toMatchObject({
      targetHost: 'h2',
      message: 'moves from h1 to h2, and with it VirtualMachine/default/db',
    });
    expect(behind(lab)).toMatchObject({
      spec: {
        guest: { name: 'db' },
        priority: 7,
        follows: { name: 'm', guest: { name: 'web' } },
      },
      status: { sourceHost: 'h1', targetHost: 'h2' },
    });
    expect(ledger.allocated('h2').memoryBytes).toBe(2 * 1024 ** 3);
    await arrive(lab, 'm');
    await arrive(lab, nameOf(lab));
    expect([ledger.allocated('h1').memoryBytes, ledger.allocated('h2').memoryBytes]).toEqual([
      0,
      2 * 1024 ** 3,
    ]);
    await lab.end();
  });

  it('takes those along who name it, and whom these name', async () => {
    const { lab } = labWithSet({ db: bound('files') });
    lab.api.seed(VirtualMachine, machine('files', {}, movable('h1')));
    await lab.ask('m', { guest: { kind: 'VirtualMachine', name: 'files' }, targetHost: 'h3' });
    expect(
      followers(lab)
        .map(({ spec }) => spec.guest.name)
        .sort(),
    ).toEqual(['db', 'web']);
    await lab.end();
  });

  it('goes only where all of them fit together, and none is moved where they do not', async () => {
    const half = { memory: { size: '9Gi' } };
    const { lab } = labWithSet({ web: half, db: half });
    expect(await lab.ask('m', { targetHost: 'h2' })).toMatchObject({
      phase: 'Failed',
      message:
        'h2 has not enough memory left for it and VirtualMachine/default/db, which spec.placement.keepTogether binds to it',
    });
    lab.api.seed(Host, host('h3', { allocatable: { cpu: 8, memory: '32Gi' } }));
    expect((await lab.ask('n'))?.targetHost).toBe('h3');
    await lab.end();
  });

  it('does not go where the other may not, with its name and the rule', async () => {
    const { lab } = labWithSet({ db: { placement: { host: 'h1' } } });
    expect(await lab.ask('m', { targetHost: 'h2' })).toMatchObject({
      phase: 'Failed',
      message:
        'h2 does not take VirtualMachine/default/db, which spec.placement.keepTogether binds to it: is not h1',
    });
    expect(followers(lab)).toEqual([]);
    await lab.end();
  });

  it('does not go where somebody is from whom the other keeps apart', async () => {
    const noisy = { keepApart: [{ policy: 'Required', guest: { kind: 'VirtualMachine', name: 'noisy' } }] };
    const { lab } = labWithSet({ db: { placement: noisy } as Partial<VirtualMachineSpec> });
    lab.api.seed(VirtualMachine, machine('noisy', {}, movable('h2')));
    expect((await lab.ask('m', { targetHost: 'h2' }))?.message).toContain('keepApart');
    expect((await lab.ask('n'))?.targetHost).toBe('h3');
    await lab.end();
  });

  it('does not stop the other where it cannot move while it runs, unless that is asked for', async () => {
    const { lab } = labWithSet();
    lab.api.seed(VirtualMachine, machine('db', {}, movable('h1', 1, 'False')));
    expect((await lab.ask('m', { targetHost: 'h2' }))?.message).toContain(
      'default/db, which spec.placement.keepTogether binds to it: eth0 is on the NAT network',
    );
    await lab.ask('n', { targetHost: 'h2', type: 'Offline' });
    expect(behind(lab).status?.type).toBe('Offline');
    await lab.end();
  });

  it('waits while the host of the other is away', async () => {
    const { lab } = labWithSet();
    lab.api.seed(Host, host('h1', { conditions: [] }));
    expect(await lab.ask('m', { targetHost: 'h2' })).toMatchObject({ phase: 'Pending' });
    expect(followers(lab)).toEqual([]);
    await lab.end();
  });

  it('is not held by one that is elsewhere on a host that is away', async () => {
    const { lab } = labWithSet();
    lab.api.seed(VirtualMachine, machine('db', {}, movable('h3')));
    lab.api.seed(Host, host('h3', { conditions: [] }));
    expect((await lab.ask('m', { targetHost: 'h2' }))?.targetHost).toBe('h2');
    expect(followers(lab)).toEqual([]);
    await lab.end();
  });

  it('goes to the host on which the rest already is, and moves nobody else', async () => {
    const { lab } = labWithSet();
    lab.api.seed(VirtualMachine, machine('db', {}, movable('h3')));
    lab.api.seed(Host, host('h2', { allocatable: { cpu: 8, memory: '64Gi' } }));
    expect((await lab.ask('m'))?.targetHost).toBe('h3');
    expect(followers(lab)).toEqual([]);
    await lab.end();
  });

  it('is refused where rules keep them apart as well', async () => {
    const torn = { keepApart: [{ policy: 'Required', guest: { kind: 'VirtualMachine', name: 'web' } }] };
    const { lab } = labWithSet({ db: { placement: torn } as Partial<VirtualMachineSpec> });
    expect((await lab.ask('m', { targetHost: 'h2' }))?.message).toContain(
      'rules keep them together and apart',
    );
    await lab.end();
  });
});

describe('placement', () => {
  it('sends whoever keeps with a set that is on its way to where it goes', () => {
    const ledger = createLedger();
    const scheduler = createScheduler(ledger);
    for (const name of ['h1', 'h2', 'h3']) scheduler.observe({ key: name, after: host(name) });
    const [web, db] = [machine('web', bound('db'), movable('h1')), machine('db', {}, movable('h2', 2))];
    for (const one of [web, db])
      ledger.observe(`VirtualMachine/default/${one.metadata.name}`, { key: one.metadata.name, after: one });
    ledger.expect('Migration/default/with', web, 'h2');
    expect(scheduler.choose(machine('cache', bound('web')))).toEqual({ host: 'h2' });
    ledger.forget('Migration/default/with');
    expect(scheduler.choose(machine('cache', bound('web')))).toEqual({ host: 'h1' });
  });

  it('has the place that is kept for a guest for that guest, and for nobody else', () => {
    const ledger = createLedger();
    const scheduler = createScheduler(ledger);
    scheduler.observe({ key: 'h2', after: host('h2') });
    const large = { memory: { size: '12Gi' } };
    const web = machine('web', large, movable('h1'));
    ledger.observe('VirtualMachine/default/web', { key: 'default/web', after: web });
    ledger.expect('Migration/default/m', web, 'h2');
    const fits = (name: string) => scheduler.judge(machine(name, large, movable('h1')))[0]?.fits;
    expect([fits('web'), fits('other')]).toEqual([true, false]);
    expect(scheduler.takes('h2', scheduler.want(web))).toBe(true);
  });
});

describe('one that waits for a place while its set is on its way', () => {
  /** One guest at a time leaves h1: web is on its way, db waits. */
  async function parted() {
    const { lab, ledger } = labWithSet();
    lab.api.seed(Host, host('h1', {}, { spec: { migrations: { leaving: 1 } } }));
    lab.api.seed(VirtualMachine, machine('other', {}, movable('h1')));
    await lab.ask('m', { targetHost: 'h2', type: 'Live' });
    return { lab, ledger };
  }

  it('has its memory there, and goes before everybody else', async () => {
    const { lab, ledger } = await parted();
    expect(behind(lab).status).toMatchObject({ phase: 'Pending', message: '1 guest leaves h1 already' });
    expect(ledger.allocated('h2').memoryBytes).toBe(2 * 1024 ** 3);
    await lab.ask('urgent', { guest: { kind: 'VirtualMachine', name: 'other' }, priority: 1_000 });
    await arrive(lab, 'm');
    expect([behind(lab).status?.targetHost, lab.migration('urgent')?.status?.targetHost]).toEqual([
      'h2',
      undefined,
    ]);
    await lab.end();
  });

  it('stays where the first was cancelled, and is not promised memory any more', async () => {
    const { lab, ledger } = await parted();
    await lab.say('m', { phase: 'Cancelled', message: 'it was deleted', completedAt: at(lab) });
    expect(behind(lab).status).toMatchObject({
      phase: 'Cancelled',
      message: 'Migration default/m did not come about: it was deleted',
    });
    expect([ledger.allocated('h1').memoryBytes, ledger.allocated('h2').memoryBytes]).toEqual([
      3 * 1024 ** 3,
      0,
    ]);
    await lab.end();
  });

  it('stays where the first is gone before it moved its guest, and goes where it had', async () => {
    const { lab } = await parted();
    await lab.api.delete(Migration, { namespace: 'default', name: 'm' });
    await lab.clock.advance(1_000);
    expect(behind(lab).status?.phase).toBe('Cancelled');
    await lab.end();

    const other = await parted();
    await arrive(other.lab, 'm');
    await other.lab.api.delete(Migration, { namespace: 'default', name: 'm' });
    await other.lab.clock.advance(1_000);
    expect(behind(other.lab).status?.targetHost).toBe('h2');
    await other.lab.end();
  });

  it('stays where no rule binds it any more', async () => {
    const { lab } = await parted();
    await lab.api.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      { spec: { placement: null } },
    );
    await arrive(lab, 'm');
    expect(behind(lab).status).toMatchObject({
      phase: 'Cancelled',
      message: 'no rule binds it to VirtualMachine/default/web',
    });
    await lab.end();
  });

  it('keeps a move of itself that somebody asks for waiting, which is done when it has come along', async () => {
    const { lab } = await parted();
    expect((await lab.ask('mine', { guest: { kind: 'VirtualMachine', name: 'db' } }))?.phase).toBe('Pending');
    await arrive(lab, 'm');
    await arrive(lab, nameOf(lab));
    await lab.clock.advance(1_000);
    expect(lab.migration('mine')?.status).toMatchObject({
      phase: 'Succeeded',
      message: 'the guest has come to h2 with its set meanwhile',
    });
    await lab.end();
  });
});

describe('when the manager dies', () => {
  it('before the first has its hosts, the next one goes on with what was made, and makes the rest', async () => {
    const { lab } = labWithSet({ db: bound('files') });
    lab.api.seed(VirtualMachine, machine('files', {}, movable('h1')));
    for (const name of ['h1', 'h2'])
      lab.api.seed(Host, host(name, {}, { spec: { migrations: { leaving: 3, arriving: 3 } } }));
    let isDead = false;
    lab.intercept(({ verb, key }) => {
      if (isDead || (verb === 'create' && key?.includes('files') === true)) {
        isDead = true;
        throw new Error('the manager is no more');
      }
    });
    await lab.ask('m', { targetHost: 'h2' });
    expect(followers(lab).map(({ spec, status }) => [spec.guest.name, status?.targetHost])).toEqual([
      ['db', undefined],
    ]);
    expect(lab.migration('m')?.status?.targetHost).toBeUndefined();
    lab.intercept(() => {});
    await lab.succeed();
    expect(
      followers(lab)
        .map(({ spec, status }) => [spec.guest.name, status?.targetHost])
        .sort(),
    ).toEqual([
      ['db', 'h2'],
      ['files', 'h2'],
    ]);
    await lab.end();
  });
});

describe('when one of them does not get there', () => {
  it('the others stay where they have come to, and nobody is moved again', async () => {
    const { lab } = labWithSet();
    await lab.ask('m', { targetHost: 'h2' });
    await arrive(lab, 'm');
    await lab.say(nameOf(lab), { phase: 'Failed', message: 'the link was cut', completedAt: at(lab) });
    await lab.clock.advance(120_000);
    expect(lab.api.state.list(Migration)).toHaveLength(2);
    expect(await lab.ask('again', { guest: { kind: 'VirtualMachine', name: 'db' } })).toMatchObject({
      targetHost: 'h2',
    });
    await lab.end();
  });
});
