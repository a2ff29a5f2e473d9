/** What happens to protected guests on hosts that live: nothing is taken from anybody, and each host is told in which life it may start what. */
import { describe, expect, it } from 'vitest';
import { FenceAction } from '../../../../src/api/kinds/fenceAction.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { createHaLab } from './haLab.ts';

async function watched() {
  const lab = await createHaLab();
  for (const name of ['a', 'b', 'c']) lab.addDevice(`bmc-${name}`, { name, plug: name });
  await lab.lead();
  await lab.switchOn();
  await lab.addGuest('db', 'a');
  const ref = { namespace: 'default', name: 'db' };
  const hand = (host: string, epoch: number) => {
    const placement = { host, epoch, since: '2026-01-01T00:01:00Z' };
    return lab.api.mergePatch(VirtualMachine, ref, { status: { placement } }, { subresource: 'status' });
  };
  const set = (spec: object) => lab.api.mergePatch(VirtualMachine, ref, { spec });
  return { lab, hand, set };
}

describe('a protected guest', () => {
  it('that is stopped and started by people stays in its place', async () => {
    const { lab, set } = await watched();
    await set({ runStrategy: 'Halted' });
    await lab.until('it is off', () => lab.guest('db').status?.ha?.state === 'Stopped');
    expect(lab.whereRuns('db')).toEqual([]);
    await set({ runStrategy: 'Always' });
    await lab.until('it runs', () => lab.guest('db').status?.ha?.state === 'Started');
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 1 });
    await lab.resign();
  });

  it('that ends is started again by its host, and by no other', async () => {
    const { lab } = await watched();
    lab.machine('a').running.clear();
    await lab.advance(10_000);
    expect(lab.whereRuns('db')).toEqual(['a']);
    expect(lab.guest('db').status?.placement?.epoch).toBe(1);
    await lab.resign();
  });

  it('on a host that restarts before anybody misses it is started there in the new life, once it is told so', async () => {
    const { lab } = await watched();
    lab.powerOff('a');
    await lab.advance(1_000);
    lab.powerOn('a');
    await lab.until('it runs again', () => lab.whereRuns('db').includes('a'));
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', bootID: 'a2boot-0000', epoch: 2 });
    expect(lab.switched).toEqual([]);
    await lab.resign();
  });

  it('that a move has handed over is told the life of its new host', async () => {
    const { lab, hand } = await watched();
    await hand('b', 2);
    await lab.until('it runs there', () => lab.whereRuns('db').includes('b'));
    expect(lab.guest('db').status).toMatchObject({
      placement: { host: 'b', epoch: 2, bootID: 'b1boot-0000' },
      ha: { epoch: 2 },
    });
    lab.powerOff('b');
    await lab.until(
      'it is recovered from there',
      () => !lab.whereRuns('db').includes('b') && lab.whereRuns('db').length === 1,
    );
    await lab.resign();
  });

  it('that was handed over while its old host was being proven dead belongs to the new one', async () => {
    const { lab, hand } = await watched();
    lab.cutOff('a');
    await lab.until('its host is lost', () => lab.guest('db').status?.ha?.state === 'Fencing');
    lab.machine('a').running.clear();
    await hand('c', 2);
    await lab.until('it runs there', () => lab.whereRuns('db').includes('c'));
    await lab.advance(60_000);
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'c', epoch: 2 });
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('handed over to a host that dies before the manager has said a word of it, is recovered once that is proven', async () => {
    const { lab, hand } = await watched();
    lab.powerOff('b');
    lab.machine('a').running.delete('db');
    await hand('b', 2);
    await lab.until('it runs elsewhere', () => lab.whereRuns('db').length === 1);
    expect(lab.ha('b')?.proof?.kind).toBe('PowerOff');
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('handed over to a host that never listed it waits until that host lives anew: a self-fence says nothing of it', async () => {
    const { lab, hand } = await watched();
    lab.faults.set('b', { unreachable: true });
    lab.powerOff('b');
    lab.machine('a').running.delete('db');
    await hand('b', 2);
    await lab.advance(60_000);
    expect(lab.guest('db').status?.ha).toMatchObject({ state: 'Fencing', reason: 'WaitingForProof' });
    lab.powerOn('b');
    await lab.until('it runs', () => lab.whereRuns('db').length === 1);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('handed over to a host that is proven dead already goes on from there', async () => {
    const { lab, hand } = await watched();
    await lab.addGuest('web', 'b');
    lab.powerOff('b');
    await lab.until('it is proven', () => lab.ha('b')?.proof !== undefined);
    lab.machine('a').running.delete('db');
    await hand('b', 2);
    await lab.until('it runs elsewhere', () => lab.whereRuns('db').some((name) => name !== 'b'));
    expect(lab.guest('db').status?.placement?.epoch).toBe(3);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('is not fenced for when it is let go, and is watched again when it is taken back', async () => {
    const { lab, set } = await watched();
    await set({ ha: { mode: 'Ignored' } });
    await lab.until('it is let go', () => lab.guest('db').status?.ha === undefined);
    expect(lab.guest('db').status?.placement?.bootID).toBeUndefined();
    expect(lab.whereRuns('db')).toEqual(['a']);
    await set({ ha: { mode: 'Protected' } });
    await lab.until('it is watched', () => lab.guest('db').status?.ha?.state === 'Started');
    expect(lab.guest('db').status?.placement).toMatchObject({ epoch: 1, bootID: 'a1boot-0000' });
    await lab.resign();
  });

  it('placed on a host that is lost before it looked at it is placed again, without a proof: nothing was begun', async () => {
    const { lab } = await watched();
    lab.machine('b').watchdog = false;
    await lab.advance(2_000);
    lab.powerOff('b');
    lab.addNewcomer('new', 'b');
    await lab.until('it runs', () => lab.whereRuns('new').length === 1);
    expect(lab.whereRuns('new')).not.toContain('b');
    expect(lab.ha('b')?.proof).toBeUndefined();
    await lab.resign();
  });

  it('whose Host is deleted waits for a person: nothing is proven of a machine nobody knows', async () => {
    const { lab } = await watched();
    lab.cutOff('a');
    await lab.api.delete(Host, { name: 'a' });
    await lab.advance(120_000);
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 1 });
    expect(lab.switched).toEqual([]);
    await lab.resign();
  });
});

describe('a FenceAction', () => {
  it('for an incident that was never opened is refused, and nothing is switched', async () => {
    const { lab } = await watched();
    await lab.api.create(FenceAction, {
      ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'FenceAction', metadata: { name: 'mine' } },
      spec: {
        ...{ host: 'a', incident: 'a-1', bootID: 'a1boot-0000', term: 1, leaseVersion: '1' },
        ...{ method: 'PowerOff', devices: ['bmc-a'] },
      },
    });
    await lab.advance(5_000);
    expect(lab.actions()[0]?.status).toMatchObject({ phase: 'Refused' });
    expect(lab.switched).toEqual([]);
    await lab.resign();
  });
});
