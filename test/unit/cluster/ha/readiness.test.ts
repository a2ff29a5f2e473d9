import { describe, expect, it } from 'vitest';
import type { ClusterPolicySpec } from '../../../../src/api/kinds/clusterPolicy.ts';
import type { FenceDevice, FenceDeviceStatus } from '../../../../src/api/kinds/fenceDevice.ts';
import type { HostStatus } from '../../../../src/api/kinds/host.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { judgeFencing } from '../../../../src/cluster/fencing/readiness.ts';
import type { Takeable } from '../../../../src/cluster/recovery/takeable.ts';
import { host } from '../builders.ts';
import { createHaLab } from './haLab.ts';

const API = 'vireo.dev/v1alpha1';
const armed = { bootID: 'b', term: 1, watchdog: 'Armed' } as const;

function device(name: string, status?: FenceDeviceStatus, on = 'a'): Stored<FenceDevice> {
  const metadata = { name, uid: name, resourceVersion: '1' };
  return {
    ...{ apiVersion: API, kind: 'FenceDevice', metadata, spec: { agent: 'fence_x', hosts: [{ name: on }] } },
    ...(status === undefined ? {} : { status }),
  };
}
const well: FenceDeviceStatus = { reach: 'Power', hosts: [{ name: 'a', state: 'PoweredOn' }] };
const broken: FenceDeviceStatus = {
  reach: 'Power',
  hosts: [{ name: 'a', state: 'Unknown', reason: 'FenceTimeout' }],
};

const TAKEABLE: Takeable = { pools: ['red', 'blue'] };

type Story = {
  flags?: string[];
  devices?: readonly Stored<FenceDevice>[];
  keeper?: HostStatus['keeper'];
  levels?: string[][];
  policy?: ClusterPolicySpec;
  takeable?: Takeable;
};

function judge({ devices = [], keeper, levels, policy = {}, flags = [], takeable }: Story) {
  const cpu = { count: 1, virtualization: 'none', accelerator: 'tcg', flags } as const;
  const spec =
    levels === undefined ? {} : { fencing: { levels: levels.map((names) => ({ devices: names })) } };
  return judgeFencing(
    host('a', { cpu: { ...cpu, flags }, ...(keeper === undefined ? {} : { keeper }) }, { spec }),
    {
      policy: { apiVersion: API, kind: 'ClusterPolicy', metadata: { name: 'default' }, spec: policy },
      named: devices.filter(({ spec: { hosts } }) => hosts.some(({ name }) => name === 'a')),
      device: (name) => devices.find(({ metadata }) => metadata.name === name),
      takeable: () => takeable,
    },
  );
}

describe('FencingReady', () => {
  it.each<[string, Story, string]>([
    [
      'is True by one device that answered',
      { devices: [device('x', broken), device('y', well)] },
      'DeviceReady',
    ],
    ['is True by a watchdog', { keeper: armed }, 'SelfFencing'],
    [
      'is True by one that is armed once there are guests',
      { keeper: { ...armed, watchdog: 'Ready' } },
      'SelfFencing',
    ],
    [
      'is True by a watchdog behind a broken device',
      { keeper: armed, devices: [device('x', broken)] },
      'SelfFencing',
    ],
    [
      'is True without a watchdog where that is allowed',
      { keeper: { ...armed, watchdog: 'None' }, policy: { selfFenceWithoutWatchdog: 'Allow' } },
      'SelfFencing',
    ],
    ['is False without either', { keeper: { ...armed, watchdog: 'None' } }, 'NothingProves'],
    [
      'is False without a keeper, whatever is allowed',
      { policy: { selfFenceWithoutWatchdog: 'Allow' } },
      'NothingProves',
    ],
    [
      'is True by a watchdog of a virtual machine in a laboratory',
      {
        keeper: armed,
        flags: ['hypervisor'],
        policy: { selfFenceOfPausableHosts: 'GuestsMayRunTwice' },
      },
      'SelfFencing',
    ],
    ['is False by a watchdog of a virtual machine', { keeper: armed, flags: ['hypervisor'] }, 'PausableHost'],
    [
      'is True by storage that can be taken, without a watchdog',
      { keeper: { ...armed, watchdog: 'None' }, takeable: TAKEABLE },
      'StorageRevocation',
    ],
    [
      'is True by storage that can be taken of a virtual machine',
      { keeper: armed, flags: ['hypervisor'], takeable: TAKEABLE },
      'StorageRevocation',
    ],
    [
      'is True by a watchdog before that, for it ends guests',
      { keeper: armed, takeable: TAKEABLE },
      'SelfFencing',
    ],
    ['is False by storage without a keeper', { takeable: TAKEABLE }, 'NothingProves'],
    [
      'is False where the storage of one guest cannot be taken',
      { keeper: { ...armed, watchdog: 'None' }, takeable: { lacks: 'it cannot' } },
      'NothingProves',
    ],
    ['is False by a switch port', { devices: [device('x', { ...well, reach: 'Fabric' })] }, 'NothingProves'],
    ['is False by a device that was never tested', { devices: [device('x')] }, 'NothingProves'],
    [
      'is False where one of two supplies cannot be cut',
      { levels: [['x', 'y']], devices: [device('x', well), device('y', broken)] },
      'NothingProves',
    ],
  ])('%s', (_, story, reason) => {
    expect(judge(story)).toMatchObject({
      status: ['DeviceReady', 'SelfFencing', 'StorageRevocation'].includes(reason) ? 'True' : 'False',
      reason,
    });
  });

  it('names devices that do not exist, and those of other hosts', () => {
    const said = judge({ levels: [['gone'], ['other']], devices: [device('other', well, 'b')] });
    expect(said?.message).toContain('there is no FenceDevice gone; FenceDevice other does not name a');
  });

  it('names the pools that are taken, or whose cannot be', () => {
    const keeper = { ...armed, watchdog: 'None' } as const;
    expect(judge({ keeper, takeable: TAKEABLE })?.message).toContain('until red, blue has been taken');
    const lacks = 'nor does storageRevocation: the pool local of db cannot be taken from it';
    expect(judge({ keeper, takeable: { lacks } })?.message).toMatch(
      /or a watchdog; nor does storageRevocation/,
    );
  });

  it('comes with the ClusterPolicy and follows its devices', async () => {
    const lab = await createHaLab();
    await lab.lead();
    const ready = () => lab.host('a')?.status?.conditions?.find(({ type }) => type === 'FencingReady');
    expect(ready()).toBeUndefined();
    await lab.switchOn();
    expect(ready()).toMatchObject({ reason: 'SelfFencing' });
    lab.addDevice('bmc-a', { name: 'a', plug: 'a' });
    await lab.advance(3_000);
    expect(ready()).toMatchObject({ reason: 'DeviceReady' });
    await lab.resign();
  });
});
