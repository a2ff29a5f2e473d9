/** Differences between requests are told in the words of the resource's spec. */
import { describe, expect, it } from 'vitest';
import {
  compareRequests,
  containerChangeRules,
  machineChangeRules,
  showBytes,
} from '../../../../src/drivers/hypervisor/changes.ts';
import type { MachineRequest } from '../../../../src/drivers/hypervisor/contract.ts';
import { containerRequest, machineRequest } from '../simulatedHypervisor/lab.ts';

const [disk] = machineRequest.disks;
const [nic] = machineRequest.networks;
if (disk === undefined || nic === undefined) throw new Error('the request has a disk and an interface');

const compare = (change: Partial<MachineRequest>) =>
  compareRequests(machineRequest, { ...machineRequest, ...change }, machineChangeRules);

describe('comparing machines', () => {
  it('finds nothing between equal requests', () => {
    expect(compare({})).toEqual([]);
    expect(compare(structuredClone(machineRequest))).toEqual([]);
  });

  it('names fields as the spec does', () => {
    expect(compare({ memoryBytes: 1024 ** 3, cpu: { ...machineRequest.cpu, cores: 4 } })).toEqual([
      { path: 'cpu.cores', from: '2', to: '4', class: 'Restart' },
      { path: 'memory.size', from: '512Mi', to: '1Gi', class: 'Restart' },
    ]);
    expect(compare({ firmware: 'UEFI', guestAgent: false }).map(({ path }) => path)).toEqual([
      'firmware.type',
      'guestAgent.enabled',
    ]);
  });

  it('tells a field that appears', () => {
    expect(compare({ cpu: { ...machineRequest.cpu, model: 'x86-64-v2' } })).toEqual([
      { path: 'cpu.model', from: 'absent', to: 'x86-64-v2', class: 'Restart' },
    ]);
  });

  it('tells items by name, whatever their order', () => {
    const data = { ...disk, name: 'data' };
    expect(compare({ disks: [data, disk] })).toEqual([
      { path: 'disks[data]', from: 'absent', to: 'present', class: 'Restart' },
    ]);
    expect(compare({ disks: [] })).toEqual([
      { path: 'disks[root]', from: 'present', to: 'absent', class: 'Restart' },
    ]);
  });

  it('knows that a disk grows live and never shrinks', () => {
    const sized = (sizeBytes: number) => compare({ disks: [{ ...disk, sizeBytes }] });
    expect(sized(2 * 1024 ** 3)).toEqual([
      { path: 'disks[root].size', from: '1Gi', to: '2Gi', class: 'Live' },
    ]);
    expect(sized(1024 ** 2)).toMatchObject([{ class: 'Recreate' }]);
  });

  it('shows where an interface is plugged in, not the name of its tap', () => {
    const plugged = (attachment: MachineRequest['networks'][number]['attachment']) =>
      compare({ networks: [{ ...nic, attachment }] });
    expect(plugged({ type: 'Tap', ifname: 'other', bridge: 'br0' })).toEqual([]);
    expect(plugged({ type: 'User' })).toEqual([
      { path: 'networks[lan]', from: 'bridge br0', to: 'user', class: 'Restart' },
    ]);
  });
});

describe('comparing containers', () => {
  it('knows that limits change live and a hostname does not', () => {
    const wanted = { ...containerRequest, hostname: 'www', memoryBytes: 1024 ** 3 };
    expect(compareRequests(containerRequest, wanted, containerChangeRules)).toEqual([
      { path: 'hostname', from: 'web', to: 'www', class: 'Restart' },
      { path: 'memory', from: '64Mi', to: '1Gi', class: 'Live' },
    ]);
  });
});

describe('bytes', () => {
  it('are shown in the largest unit that loses nothing', () => {
    expect([0, 1, 1024, 1536 * 1024, 3 * 1024 ** 4].map(showBytes)).toEqual([
      '0',
      '1',
      '1Ki',
      '1536Ki',
      '3Ti',
    ]);
  });
});
