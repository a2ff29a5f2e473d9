/**
 * The command lines QEMU gets, as files with one option on a line: a change of a plan shows as a change of these files. Guests that exist
 * were pinned to what stands there: a changed address, id or machine option reaches them at their next start.
 */
import { describe, expect, it } from 'vitest';
import type { HypervisorFacts, MachineRequest } from '../../../../src/drivers/hypervisor/contract.ts';
import { argumentsFor } from '../../../../src/drivers/hypervisor/qemu/launch.ts';
import { bootIndexes } from '../../../../src/drivers/hypervisor/qemu/plan/disks.ts';
import { formatNode } from '../../../../src/drivers/hypervisor/qemu/plan/ids.ts';
import { optionList, printArguments } from '../../../../src/drivers/hypervisor/qemu/plan/options.ts';
import { resolveHardware } from '../../../../src/drivers/hypervisor/qemu/resolve.ts';
import { guest, kvmHost, richMachine, smallMachine, tcgHost } from './machine.ts';

const runDirectory = '/run/vireo/1a2b3c4d';

function plan(request: MachineRequest, facts: HypervisorFacts): string {
  const hardware = resolveHardware(request, undefined, facts);
  return printArguments(argumentsFor(runDirectory, { guest, request, hardware, facts }));
}

describe('the plan of a machine', () => {
  it.each([
    ['q35-small-tcg', smallMachine, tcgHost],
    ['q35-rich-kvm', richMachine, kvmHost],
    ['pc-small-tcg', { ...smallMachine, machine: 'pc', display: 'None', guestAgent: false }, tcgHost],
    ['q35-host-cpu-kvm', { ...smallMachine, cpu: { ...smallMachine.cpu, model: 'Host' } }, kvmHost],
  ] as const)('is as in golden/%s.txt', async (name, request, facts) => {
    await expect(plan(request, facts)).toMatchFileSnapshot(`golden/${name}.txt`);
  });

  it('stops before the first instruction and keeps a powered-off guest visible', () => {
    const lines = plan(smallMachine, tcgHost).split('\n');
    expect(lines).toContain('-S');
    expect(lines).toContain('-action shutdown=pause');
  });

  it('stops at a write that fails, of whatever disk: a guest that is told of one ends its file system', () => {
    const disks = plan(richMachine, kvmHost)
      .split('\n')
      .filter((line) => /^-device (virtio-blk-pci|scsi-hd),/.test(line));
    expect(disks).toHaveLength(richMachine.disks.length);
    for (const line of disks) expect(line).toContain(',werror=stop');
  });

  it('leaves the sandbox out where QEMU cannot have it', () => {
    const { qemu } = tcgHost;
    const facts = qemu === undefined ? tcgHost : { ...tcgHost, qemu: { ...qemu, sandbox: false } };
    expect(plan(smallMachine, facts)).not.toContain('sandbox');
  });

  it('takes what TCG has when a guest pinned to the host model comes to a host without KVM', () => {
    const request = { ...smallMachine, cpu: { ...smallMachine.cpu, model: 'Host' } };
    const hardware = resolveHardware(request, undefined, kvmHost);
    const argv = argumentsFor(runDirectory, { guest, request, hardware, facts: tcgHost });
    expect(hardware.cpuModel).toBe('host');
    expect(argv[argv.indexOf('-cpu') + 1]).toBe('max');
  });
});

describe('what cannot be planned', () => {
  it.each([
    [
      'UefiMissing',
      { ...smallMachine, firmware: 'UEFI' },
      { ...tcgHost, qemu: { ...tcgHost.qemu, uefi: undefined } },
    ],
    ['QemuMissing', smallMachine, { available: false, reason: 'QemuMissing', message: 'install it' }],
  ])('is %s, for the user to solve', (reason, request, facts) => {
    const hardware = resolveHardware(smallMachine, undefined, tcgHost);
    const attempt = () =>
      argumentsFor(runDirectory, {
        guest,
        request: request as MachineRequest,
        hardware,
        facts: facts as HypervisorFacts,
      });
    expect(attempt).toThrow(expect.objectContaining({ reason, stalled: true }));
  });

  it('is a directory given as a disk, and a veth given as an interface', () => {
    const [disk] = smallMachine.disks;
    const [nic] = smallMachine.networks;
    if (disk === undefined || nic === undefined) throw new Error('the machine has both');
    const volume = { type: 'Directory', path: '/pool/x', shift: 'Idmapped' } as const;
    const attachment = { type: 'Veth', ifname: 'v0', bridge: 'br0' } as const;
    expect(() => plan({ ...smallMachine, disks: [{ ...disk, volume }] }, tcgHost)).toThrow(
      expect.objectContaining({ reason: 'VolumeUnsupported' }),
    );
    expect(() => plan({ ...smallMachine, networks: [{ ...nic, attachment }] }, tcgHost)).toThrow(
      expect.objectContaining({ reason: 'AttachmentUnsupported' }),
    );
  });

  it('is a run directory too deep for unix sockets', () => {
    const hardware = resolveHardware(smallMachine, undefined, tcgHost);
    const deep = `/run/${'x'.repeat(90)}`;
    expect(() => argumentsFor(deep, { guest, request: smallMachine, hardware, facts: tcgHost })).toThrow(
      expect.objectContaining({ reason: 'SocketPathTooLong' }),
    );
  });
});

describe('boot order', () => {
  const [disk] = smallMachine.disks;
  if (disk === undefined) throw new Error('the machine has a disk');
  const named = (name: string, bootOrder?: number) => ({
    ...disk,
    name,
    ...(bootOrder === undefined ? {} : { bootOrder }),
  });

  it('is the first disk when nobody wishes anything', () => {
    expect([...bootIndexes([named('a'), named('b')])]).toEqual([['a', 1]]);
  });

  it('is by rank when somebody does, and the others do not boot', () => {
    expect([...bootIndexes([named('a'), named('b', 30), named('c', 7)])]).toEqual([
      ['c', 1],
      ['b', 2],
    ]);
  });

  it('is nothing without disks', () => {
    expect(bootIndexes([]).size).toBe(0);
  });
});

describe('names inside QEMU', () => {
  it('stay within 31 bytes and apart', () => {
    const long = 'a-disk-with-a-name-of-32-letters';
    const other = 'a-disk-with-a-name-of-32-letterz';
    expect(formatNode(long).length).toBeLessThanOrEqual(31);
    expect(formatNode(long)).not.toBe(formatNode(other));
    expect(formatNode('root')).toBe('disk-root');
  });

  it('cannot smuggle options in', () => {
    expect(optionList('', { guest: 'web,process=x' })).toBe('guest=web,,process=x');
  });
});
