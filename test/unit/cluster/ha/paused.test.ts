/** `haPaused` on real objects: nobody is fenced; what people ask of guests with `ha` waits under Freeze and is done under Ignore. */
import { describe, expect, it } from 'vitest';
import { ClusterPolicy } from '../../../../src/api/kinds/clusterPolicy.ts';
import { Migration } from '../../../../src/api/kinds/migration.ts';
import { findCondition } from '../../../../src/runtime/conditions.ts';
import { createHaLab } from './haLab.ts';

async function paused(haPaused: 'Freeze' | 'Ignore') {
  const lab = await createHaLab();
  lab.addDevice('bmc-a', { name: 'a', plug: 'a' });
  await lab.lead();
  await lab.switchOn({ haPaused });
  await lab.addGuest('db', 'a');
  const move = (name: string) => lab.moves().find(({ metadata }) => metadata.name === name)?.status;
  return {
    ...lab,
    move,
    message: () => findCondition(lab.policy()?.status?.conditions, 'Ready')?.message,
    resume: async () => {
      await lab.api.mergePatch(ClusterPolicy, { name: 'default' }, { spec: { haPaused: null } });
      await lab.advance(40_000);
    },
    ask: async (name: string) => {
      await lab.api.create(Migration, {
        ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'Migration' },
        metadata: { name, namespace: 'default' },
        spec: { guest: { kind: 'VirtualMachine', name: 'db' }, targetHost: 'b', type: 'Offline' },
      });
      await lab.advance(5_000);
    },
  };
}

describe('under Freeze', () => {
  it("a person's move is refused with that reason, and not made later", async () => {
    const lab = await paused('Freeze');
    expect(lab.message()).toContain('move for nobody');
    await lab.ask('to-b');
    expect(lab.move('to-b')?.phase).toBe('Failed');
    expect(findCondition(lab.move('to-b')?.conditions, 'Ready')?.reason).toBe('Paused');
    await lab.resume();
    expect(lab.guest('db').status?.placement?.host).toBe('a');
    await lab.resign();
  });

  it('maintenance waits until the pause is over', async () => {
    const lab = await paused('Freeze');
    await lab.editHost('a', { maintenance: { enabled: true } });
    await lab.advance(20_000);
    expect(lab.guest('db').status?.placement?.host).toBe('a');
    await lab.resume();
    expect(lab.guest('db').status?.placement?.host).not.toBe('a');
    await lab.resign();
  });
});

describe('under Ignore', () => {
  it('a guest moves for people and for maintenance, as one without ha', async () => {
    const lab = await paused('Ignore');
    expect(lab.message()).toContain('people and maintenance only');
    await lab.ask('to-b');
    expect(lab.guest('db').status?.placement?.host).toBe('b');
    await lab.editHost('b', { maintenance: { enabled: true } });
    await lab.advance(20_000);
    expect(lab.guest('db').status?.placement?.host).not.toBe('b');
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('nobody is fenced and nothing starts elsewhere, before it is over', async () => {
    const lab = await paused('Ignore');
    lab.powerOff('a');
    await lab.advance(60_000);
    expect(lab.switched).toEqual([]);
    expect(lab.guest('db').status?.placement?.host).toBe('a');
    expect(lab.guest('db').status?.ha).toMatchObject({ reason: 'Paused' });
    await lab.resume();
    expect(lab.guest('db').status?.placement?.host).not.toBe('a');
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });
});
