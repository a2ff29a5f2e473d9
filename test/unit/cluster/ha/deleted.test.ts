/** A protected guest is deleted while its host is lost: another host removes what it has on shared storage, once the first is proven dead. */
import { describe, expect, it } from 'vitest';
import { GUEST_FINALIZER } from '../../../../src/api/cluster.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { createHaLab } from './haLab.ts';

const REF = { namespace: 'default', name: 'db' };

/** A guest on `a` with a volume in the shared pool and one in this other pool. */
async function cluster(other = 'shared') {
  const lab = await createHaLab();
  lab.addDevice('bmc-a', { name: 'a', plug: 'a' });
  await lab.lead();
  await lab.switchOn();
  await lab.addGuest('db', 'a');
  const volumes = ['shared', other].map((pool, index) => ({ name: `disk${index}`, pool, id: `v${index}` }));
  await lab.api.mergePatch(VirtualMachine, REF, { status: { volumes } }, { subresource: 'status' });
  await lab.api.mergePatch(VirtualMachine, REF, { metadata: { finalizers: [GUEST_FINALIZER] } });
  await lab.advance(1_000);
  return lab;
}

describe('a guest that is deleted', () => {
  it.each([
    ['while its host is lost is the business of another host once that is proven dead', 'shared'],
    ['is so too when some of its volumes stay on the dead host', 'local'],
  ])('%s', async (_, other) => {
    const lab = await cluster(other);
    lab.powerOff('a');
    await lab.api.delete(VirtualMachine, REF);
    await lab.until("it is another host's", () => lab.guest('db').status?.placement?.host !== 'a');
    expect(lab.switched).toContain('a Off');
    await lab.advance(30_000);
    expect(lab.whereRuns('db')).toEqual([]);
    expect(lab.guest('db').status).toMatchObject({ placement: { epoch: 2 }, ha: { state: 'Stopped' } });
    await lab.resign();
  });

  it('waits while nothing proves that its host is dead', async () => {
    const lab = await cluster();
    lab.machine('a').watchdog = false;
    lab.faults.set('a', { unreachable: true });
    await lab.advance(2_000);
    lab.powerOff('a');
    await lab.api.delete(VirtualMachine, REF);
    await lab.advance(120_000);
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 1 });
    await lab.resign();
  });

  it("on a host that lives is that host's business", async () => {
    const lab = await cluster();
    await lab.api.delete(VirtualMachine, REF);
    await lab.advance(60_000);
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 1 });
    expect(lab.switched).toEqual([]);
    await lab.resign();
  });

  it('ends elsewhere wherever the leader died', async () => {
    for (let after = 0; after < 9; after += 1) {
      const lab = await cluster();
      lab.powerOff('a');
      await lab.api.delete(VirtualMachine, REF);
      lab.dieAfter(after);
      await lab.until(`the leader dies after ${after} writes`, lab.isDead, 120_000);
      await lab.succeed();
      await lab.until("it is another host's", () => lab.guest('db').status?.placement?.host !== 'a');
      await lab.advance(10_000);
      expect([after, lab.guest('db').status?.placement?.epoch, lab.twice]).toEqual([after, 2, []]);
      await lab.resign();
    }
  }, 60_000);
});
