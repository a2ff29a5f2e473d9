import { describe, expect, it } from 'vitest';
import type { ClusterPolicySpec } from '../../../../src/api/kinds/clusterPolicy.ts';
import { confirmFence } from '../../../../src/cli/confirm.ts';
import type { Client } from '../../../../src/client/contract.ts';
import { createHaLab } from './haLab.ts';

/** A host without device and watchdog is lost: nothing but a word can prove that its guest is dead. */
async function stuck(names = ['a', 'b', 'c'], policy: ClusterPolicySpec = {}) {
  const lab = await createHaLab(names);
  await lab.lead();
  await lab.switchOn(policy);
  lab.machine('a').watchdog = false;
  await lab.addGuest('db', 'a');
  const confirm = async (timeoutMs = 30_000) => {
    const client = {
      ...lab.api,
      create: async (kind: { kind: string }, object: never) =>
        kind.kind === 'SelfSubjectReview'
          ? { status: { userInfo: { username: 'jane' } } }
          : lab.api.create(kind as never, object),
    } as Client;
    const said = confirmFence(client, 'a', { clock: lab.clock, timeoutMs }).catch(String);
    await lab.advance(timeoutMs + 1_000);
    return said;
  };
  return { lab, confirm };
}

describe("a person's word", () => {
  it('is the proof for the incident that is open, and says whose it is', async () => {
    const { lab, confirm } = await stuck();
    lab.powerOff('a');
    await lab.advance(60_000);
    expect(lab.whereRuns('db')).toEqual([]);
    expect(await confirm()).toContain('proof Manual');
    expect(lab.whereRuns('db')).toEqual(['b']);
    expect(lab.actions()).toMatchObject([
      { spec: { method: 'Manual', confirmedBy: 'jane' }, status: { phase: 'Confirmed' } },
    ]);
    await lab.resign();
  });

  it('is not asked for while nothing is wrong', async () => {
    const { lab, confirm } = await stuck();
    expect(await confirm()).toContain('nothing waits for a word about a (Online)');
    await lab.resign();
  });

  it('does not count while another host hears this one', async () => {
    const { lab, confirm } = await stuck();
    lab.machine('b').hears = ['a'];
    lab.powerOff('a');
    await lab.advance(30_000);
    expect(await confirm()).toContain('does not count yet');
    expect(lab.guest('db').status?.placement?.host).toBe('a');
    await lab.resign();
  });

  it('is used up: the next incident of the same host waits again', async () => {
    const { lab, confirm } = await stuck();
    lab.powerOff('a');
    await lab.advance(30_000);
    await confirm();
    lab.powerOn('a');
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online');
    await lab.addGuest('web', 'a');
    lab.powerOff('a');
    await lab.advance(300_000);
    expect(lab.guest('web').status?.placement?.host).toBe('a');
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('is waited for by guests of another host, too, when no more hosts may be fenced at one time, and they say so', async () => {
    const { lab, confirm } = await stuck(['a', 'b', 'c', 'd', 'e'], { maxConcurrentFences: 1 });
    await lab.addGuest('web', 'b');
    lab.powerOff('a');
    await lab.advance(20_000);
    lab.powerOff('b');
    await lab.advance(60_000);
    const said = lab.guest('web').status?.ha;
    expect(said).toMatchObject({ state: 'Started', reason: 'FencesAtMost' });
    expect(said?.message).toMatch(/^b is silent, and is fenced once a is no more: .* maxConcurrentFences/);
    await confirm();
    await lab.until('it runs', () => lab.whereRuns('web').length > 0);
    expect(lab.guest('web').status?.ha?.reason).toBeUndefined();
    await lab.resign();
  });
});
