/** What QEMU is told of the cache of a disk: nothing of a disk that other hosts have, too, is to lie in the memory of this one. */
import { expect, it } from 'vitest';
import { machineKind } from '../../../src/agent/guests/machine.ts';
import type { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';

type Disk = NonNullable<VirtualMachine['spec']['disks']>[number];

function cacheOf({ cache }: Pick<Disk, 'cache'>, isShared: boolean): string | undefined {
  const disk: Disk = { name: 'root', pool: 'pool', ...(cache === undefined ? {} : { cache }) };
  const attachment = { type: 'File', path: '/pool/root', format: 'qcow2' } as const;
  const volumes = new Map([['root', { attachment, sizeBytes: 1, isShared }]]);
  const machine = { spec: { memory: { size: '1Gi' }, disks: [disk] } } as VirtualMachine;
  const { request } = machineKind({} as Parameters<typeof machineKind>[0]);
  return request(machine, { volumes, nics: new Map(), idBase: 0 }, []).disks[0]?.cache;
}

it('is none of a disk in a shared pool, and left to QEMU of one that this host has alone', () => {
  expect(cacheOf({}, true)).toBe('none');
  expect(cacheOf({}, false)).toBeUndefined();
});

it('is what the disk says, wherever it lies', () => {
  expect(cacheOf({ cache: 'writeback' }, true)).toBe('writeback');
  expect(cacheOf({ cache: 'directsync' }, false)).toBe('directsync');
});
