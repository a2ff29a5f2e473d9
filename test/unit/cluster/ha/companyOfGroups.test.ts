/** HAGroups that select guests by labels and say of all of them whether they keep together or apart. */
import { describe, expect, it } from 'vitest';
import type { GuestHa } from '../../../../src/api/ha.ts';
import { HAGroup, type HAGroupSpec } from '../../../../src/api/kinds/haGroup.ts';
import { VirtualMachine, type VirtualMachineSpec } from '../../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { findCondition } from '../../../../src/runtime/conditions.ts';
import { machine } from '../builders.ts';
import { createHaLab } from './haLab.ts';

const NAMES = ['a', 'b', 'c'];
const WEB = { guestSelector: { matchLabels: { app: 'web' } } };
const REQUIRED = { policy: 'Required' } as const;

async function cluster(groups: Readonly<Record<string, Partial<HAGroupSpec>>>) {
  const lab = await createHaLab(NAMES);
  for (const name of NAMES) lab.addDevice(`bmc-${name}`, { name, plug: name });
  await lab.lead();
  await lab.switchOn();
  const setGroup = (name: string, spec: Partial<HAGroupSpec>) =>
    lab.addGroup(name, { hosts: NAMES.map((host) => ({ name: host })), ...spec });
  for (const [name, spec] of Object.entries(groups)) setGroup(name, spec);
  const status = (name: string) => (lab.api.state.get(HAGroup, name) as Stored<HAGroup> | undefined)?.status;
  return {
    ...lab,
    setGroup,
    status,
    /** As somebody applies it, with a label and without a host. */
    make: (name: string, app: string, ha: GuestHa = {}, spec: Partial<VirtualMachineSpec> = {}) => {
      const one = machine(name, { disks: [{ name: 'root', pool: 'shared', size: '1Gi' }], ha, ...spec });
      lab.failsOn.set(name, new Set());
      lab.api.seed(VirtualMachine, { ...one, metadata: { ...one.metadata, labels: { app } } });
    },
    hostOf: (name: string) => lab.guest(name).status?.placement?.host,
    hostsOf: (...names: string[]) => names.map((name) => lab.guest(name).status?.placement?.host),
    says: (name: string, type: string) => findCondition(status(name)?.conditions, type),
  };
}

describe('an HAGroup with a guestSelector', () => {
  it('has the guests with ha that it selects, and counts them', async () => {
    const lab = await cluster({ web: { ...WEB, hosts: [{ name: 'b' }], restricted: true } });
    lab.make('web1', 'web');
    lab.make('mail', 'mail');
    lab.make('own', 'web', { group: 'other' });
    lab.make('ignored', 'web', { mode: 'Ignored' });
    await lab.advance(5_000);
    expect([lab.hostOf('web1'), lab.status('web')?.members]).toEqual(['b', 1]);
    expect(lab.hostOf('mail')).not.toBe('b');
    await lab.resign();
  });

  it('selects by namespace and kind as well, all guests with ha when it says nothing', async () => {
    const lab = await cluster({
      elsewhere: { guestSelector: { namespaces: ['prod'] } },
      containers: { guestSelector: { kind: 'Container' } },
      rest: { guestSelector: {} },
    });
    lab.make('web1', 'web');
    await lab.advance(5_000);
    expect(['elsewhere', 'containers', 'rest'].map((name) => lab.status(name)?.members)).toEqual([0, 0, 1]);
    await lab.resign();
  });

  it('leaves a guest to the one that comes first by name, and says so until one is narrowed', async () => {
    const lab = await cluster({
      one: { ...WEB, hosts: [{ name: 'c' }], restricted: true },
      two: { ...WEB, hosts: [{ name: 'a' }], restricted: true },
    });
    lab.make('web1', 'web');
    await lab.advance(5_000);
    expect([lab.hostOf('web1'), lab.says('one', 'SelectorsOverlap')]).toEqual(['c', undefined]);
    expect(lab.says('two', 'SelectorsOverlap')?.message).toContain('VirtualMachine/default/web1 (one)');
    await lab.api.mergePatch(
      HAGroup,
      { name: 'two' },
      { spec: { guestSelector: { matchLabels: { app: 'mail' } } } },
    );
    await lab.advance(5_000);
    expect(lab.says('two', 'SelectorsOverlap')).toBeUndefined();
    await lab.resign();
  });
});

describe('an HAGroup that keeps its guests apart', () => {
  it('places no two of them on one host, and names itself to the one that waits', async () => {
    const lab = await cluster({ web: { ...WEB, keepApart: REQUIRED } });
    for (const name of ['web1', 'web2', 'web3', 'web4']) lab.make(name, 'web');
    await lab.advance(5_000);
    expect(lab.hostsOf('web1', 'web2', 'web3').sort()).toEqual(['a', 'b', 'c']);
    expect(findCondition(lab.guest('web4').status?.conditions, 'Scheduled')?.message).toContain(
      'has a guest of the HAGroup "web", which keeps its guests apart',
    );
    expect(lab.says('web', 'Feasible')).toMatchObject({ status: 'False', reason: 'TooFewHosts' });
    await lab.api.delete(VirtualMachine, { namespace: 'default', name: 'web3' });
    await lab.until('there is room for it', () => lab.hostOf('web4') !== undefined, 90_000);
    await lab.until('nothing is wrong', () => lab.says('web', 'Feasible')?.status === 'True');
    await lab.resign();
  });

  it('rather has two on one host than one that waits, when the policy is Preferred', async () => {
    const lab = await cluster({ web: { ...WEB, keepApart: { policy: 'Preferred' } } });
    for (const name of ['web1', 'web2', 'web3', 'web4']) lab.make(name, 'web');
    await lab.advance(5_000);
    const hosts = lab.hostsOf('web1', 'web2', 'web3', 'web4');
    expect([new Set(hosts).size, hosts.includes(undefined)]).toEqual([3, false]);
    expect(lab.says('web', 'Feasible')).toBeUndefined();
    await lab.resign();
  });

  it('recovers them apart, and parts those that ran together before the group came', async () => {
    const lab = await cluster({});
    for (const [name, on] of [
      ['web1', 'a'],
      ['web2', 'a'],
    ] as const) {
      lab.failsOn.set(name, new Set());
      lab.seedGuest(name, on, { ha: { group: 'web' } });
    }
    await lab.advance(3_000);
    lab.setGroup('web', { keepApart: REQUIRED });
    await lab.until('they are parted', () => new Set(lab.hostsOf('web1', 'web2')).size === 2, 90_000);
    const [first, second] = lab.hostsOf('web1', 'web2');
    lab.powerOff(first ?? '');
    const rest = NAMES.find((name) => name !== first && name !== second);
    await lab.until(
      'web1 runs where web2 does not',
      () => lab.whereRuns('web1').includes(rest ?? ''),
      40_000,
    );
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('says whose own rules bind them together, also by way of others, and places the rest', async () => {
    const lab = await cluster({ web: { ...WEB, keepApart: REQUIRED } });
    const together = (name: string) => ({
      placement: { keepTogether: [{ ...REQUIRED, guest: { kind: 'VirtualMachine', name } as const }] },
    });
    lab.make('cache', 'cache', {}, together('web1'));
    lab.make('web1', 'web');
    lab.make('web2', 'web', {}, together('cache'));
    lab.make('web3', 'web');
    await lab.advance(5_000);
    expect(lab.says('web', 'Feasible')).toMatchObject({ status: 'False', reason: 'RulesContradict' });
    expect(lab.says('web', 'Feasible')?.message).toMatch(
      /^VirtualMachine\/default\/web[12], VirtualMachine\/default\/web[12] are to keep apart .* \(with VirtualMachine\/default\/cache\)/,
    );
    expect(lab.hostOf('web3')).toBeDefined();
    await lab.resign();
  });
});

describe('an HAGroup that keeps its guests together', () => {
  it('places all of them where the first is, and recovers all of them on one host', async () => {
    const lab = await cluster({ web: { ...WEB, keepTogether: REQUIRED } });
    for (const name of ['web1', 'web2', 'web3']) lab.make(name, 'web');
    await lab.until('all run', () => lab.whereRuns('web3').length === 1);
    const [first, ...others] = lab.hostsOf('web1', 'web2', 'web3');
    expect(others).toEqual([first, first]);
    lab.powerOff(first ?? '');
    await lab.until(
      'all run elsewhere',
      () => ['web1', 'web2', 'web3'].every((name) => lab.whereRuns(name).some((on) => on !== first)),
      60_000,
    );
    expect(new Set(lab.hostsOf('web1', 'web2', 'web3')).size).toBe(1);
    await lab.resign();
  });

  it('says which of its guests keep apart, and which hosts no two of them share', async () => {
    const lab = await cluster({ web: { ...WEB, keepTogether: REQUIRED } });
    const apart = { keepApart: [{ ...REQUIRED, guest: { kind: 'VirtualMachine', name: 'web1' } as const }] };
    lab.make('web1', 'web');
    lab.make('web2', 'web', {}, { placement: apart });
    await lab.advance(5_000);
    expect(lab.says('web', 'Feasible')).toMatchObject({ status: 'False', reason: 'RulesContradict' });
    await lab.api.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web2' },
      { spec: { placement: { keepApart: null, host: 'b' } } },
    );
    lab.make('web3', 'web', {}, { placement: { host: 'c' } });
    await lab.until('it names them', () => lab.says('web', 'Feasible')?.reason === 'NoCommonHost');
    expect(lab.says('web', 'Feasible')?.message).toContain('VirtualMachine/default/web3');
    await lab.resign();
  });
});
