/** What a pool promises that several hosts have open and that can be taken from one of them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoragePool, VolumeRequest } from '../../../src/drivers/storage/contract.ts';
import type { Revocations } from '../../../src/drivers/storage/revocations.ts';
import type { PoolLab } from './suite.ts';

const signal = new AbortController().signal;
const owner = { guestUuid: 'uuid-anna', guest: 'VirtualMachine/default/anna', disk: 'data' };

function disk(id: string): VolumeRequest {
  return { id, owner, kind: 'Disk', format: 'qcow2', sizeBytes: 2 ** 20 };
}

/** Told of pools that can revoke; of others there is nothing to tell. */
export function revocationSuite(makeLab: () => Promise<PoolLab>): void {
  describe('and a host that is revoked', () => {
    const lost = { host: 'lost', bootID: 'boot-1' };
    const reborn = { host: 'lost', bootID: 'boot-2' };
    let lab: PoolLab;
    let pools: { here: StoragePool; revocations: Revocations; there: StoragePool } | undefined;

    beforeEach(async () => {
      lab = await makeLab();
      const here = await lab.openOn?.('judge');
      const there = await lab.openOn?.('lost');
      const { revocations } = here ?? {};
      if (here === undefined || there === undefined || revocations === undefined) return;
      pools = { here, revocations, there };
    });
    afterEach(() => lab.remove());

    const told = (what: string, tell: (given: NonNullable<typeof pools>) => Promise<void>): void =>
      it(what, async (context) => {
        if (pools === undefined) return context.skip();
        await tell(pools);
      });

    told('writes nothing any more, and others do', async ({ here, revocations, there }) => {
      await there.create(disk('g1-data'), signal);
      await revocations.revoke(lost);
      await expect(there.create(disk('g2-data'), signal)).rejects.toMatchObject({ reason: 'StorageRevoked' });
      await expect(there.resize('g1-data', 2 ** 21, { running: true })).rejects.toMatchObject({
        reason: 'StorageRevoked',
      });
      expect(await there.observe('g1-data')).toMatchObject({ sizeBytes: 2 ** 20 });
      expect(await there.observe('g2-data')).toBeUndefined();
      await here.create(disk('g3-data'), signal);
      expect(await there.revocations?.list()).toEqual([lost]);
    });

    told(
      'stays so when it or whoever did it begins anew, and when it is renewed',
      async ({ revocations }) => {
        await revocations.revoke(lost);
        await revocations.revoke(lost);
        const again = await lab.openOn?.('lost');
        await expect(again?.create(disk('g1-data'), signal)).rejects.toMatchObject({
          reason: 'StorageRevoked',
        });
        expect(await (await lab.openOn?.('judge'))?.revocations?.list()).toEqual([lost]);
      },
    );

    told('writes again once that boot of it is restored, and not twice', async ({ revocations, there }) => {
      await revocations.revoke(lost);
      for (let time = 0; time < 2; time += 1) await revocations.restore(lost);
      await there.create(disk('g1-data'), signal);
      expect(await revocations.list()).toEqual([]);
    });

    told('is given nothing back by a late word of another boot', async ({ revocations, there }) => {
      await revocations.revoke(reborn);
      await revocations.revoke(lost);
      await revocations.restore(lost);
      expect(await revocations.list()).toEqual([reborn]);
      await expect(there.create(disk('g1-data'), signal)).rejects.toMatchObject({ reason: 'StorageRevoked' });
    });
  });
}
