/** What a host without watchdog and device is told of storage that can be taken from it: that it proves enough, as long as that is so. */
import { describe, expect, it } from 'vitest';
import { ClusterPolicy, type ClusterPolicySpec } from '../../../../src/api/kinds/clusterPolicy.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { createRevocationLab, type RevocationLab } from './revocationLab.ts';

const SUFFICIENT = { storageRevocation: 'Sufficient' } as const;
const WHILE = 5_000;

async function unwatched(policy: ClusterPolicySpec = SUFFICIENT): Promise<RevocationLab> {
  const lab = await createRevocationLab(policy);
  Object.assign(lab.machine('a'), { watchdog: false });
  await lab.advance(WHILE);
  return lab;
}
const ready = (lab: RevocationLab) => {
  const { status, reason, message } =
    lab.host('a')?.status?.conditions?.find(({ type }) => type === 'FencingReady') ?? {};
  return { said: `${status} ${reason}`, message };
};
const UNPROVEN = 'False NothingProves';

describe('a host without watchdog and device', () => {
  it('is ready by the storage of its guests, once it has any, and they are protected by it', async () => {
    const lab = await unwatched();
    expect(ready(lab).said).toBe(UNPROVEN);
    expect(ready(lab).message).not.toContain('storageRevocation');
    await lab.addGuest('db', 'a', lab.on('red', 'blue'));
    expect(ready(lab)).toMatchObject({
      said: 'True StorageRevocation',
      message: expect.stringContaining('until blue, red has been taken from it'),
    });
    await lab.advance(WHILE);
    expect(lab.guest('db').status?.conditions?.find(({ type }) => type === 'Protected')).toMatchObject({
      ...{ status: 'True', reason: 'StorageRevocation' },
    });
    Object.assign(lab.machine('a'), { isCut: true, isStuck: true });
    await lab.until('db runs elsewhere', () => lab.whereRuns('db').some((host) => host !== 'a'));
    await lab.resign();
  });

  it('is not without the word that this is enough, and says nothing of it', async () => {
    const lab = await unwatched({});
    await lab.addGuest('db', 'a', lab.on('red'));
    expect(ready(lab).said).toBe(UNPROVEN);
    expect(ready(lab).message).not.toContain('storageRevocation');
    await lab.api.mergePatch(ClusterPolicy, { name: 'default' }, { spec: SUFFICIENT });
    await lab.until('it is ready', () => ready(lab).said === 'True StorageRevocation');
    await lab.resign();
  });

  it('is not while a guest of it has a volume elsewhere, and names it', async () => {
    const lab = await unwatched();
    await lab.addGuest('db', 'a', lab.on('red'));
    await lab.addGuest('web', 'a', lab.on('red', 'local'));
    expect(ready(lab).said).toBe(UNPROVEN);
    expect(ready(lab).message).toContain(
      'nor does storageRevocation: the pool local of VirtualMachine/default/web cannot be taken from it',
    );
    // Nobody is fenced for it then.
    await lab.api.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      { spec: { ha: { mode: 'Ignored' } } },
    );
    await lab.until('it is ready', () => ready(lab).said === 'True StorageRevocation');
    await lab.resign();
  });

  it('is not while no other host could take it', async () => {
    const lab = await unwatched();
    await lab.addGuest('db', 'a', lab.on('red'));
    const pools = lab.host('b')?.status?.pools;
    for (const name of ['b', 'c']) {
      lab.asleep.add(name);
      lab.setPools(
        name,
        (pools ?? []).filter((pool) => pool.name !== 'red'),
      );
    }
    await lab.until('it is not ready', () => ready(lab).said === UNPROVEN);
    expect(ready(lab).message).toContain(
      'no other host can take the pool red of VirtualMachine/default/db from it now',
    );
    lab.setPools('c', pools);
    await lab.until('it is ready', () => ready(lab).said === 'True StorageRevocation');
    lab.powerOff('c');
    await lab.until('it is not ready', () => ready(lab).said === UNPROVEN);
    await lab.resign();
  });
});
