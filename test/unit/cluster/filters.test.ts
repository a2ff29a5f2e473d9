import { describe, expect, it } from 'vitest';
import type { Host } from '../../../src/api/kinds/host.ts';
import type { Guest } from '../../../src/cluster/guests.ts';
import { container, host, machine } from './builders.ts';
import { createHostsOnPaper } from './hostsOnPaper.ts';

const ask = (guest: Guest, status: Host['status'] = {}, spec: Host['spec'] = {}) =>
  createHostsOnPaper([host('h1', status, { spec })]).reason(guest, 'h1');

describe('a taint', () => {
  const gpu = { taints: [{ key: 'gpu', value: 'a100', effect: 'NoSchedule' }] } as const;
  const spec: Host['spec'] = { taints: [...gpu.taints] };
  const tolerating = (...tolerations: NonNullable<NonNullable<Guest['spec']['placement']>['tolerations']>) =>
    machine('a', { placement: { tolerations } });

  it('keeps guests away that do not tolerate it', () => {
    expect(ask(machine('a'), {}, spec)).toBe('has the taint gpu=a100 that the guest does not tolerate');
  });

  it.each([
    ['key and value', { key: 'gpu', value: 'a100' }],
    ['key and value of this effect', { key: 'gpu', value: 'a100', effect: 'NoSchedule' }],
    ['the key, whatever the value', { key: 'gpu', operator: 'Exists' }],
    ['everything', { operator: 'Exists' }],
  ] as const)('lets a guest in that tolerates %s', (_, toleration) => {
    expect(ask(tolerating(toleration), {}, spec)).toBeUndefined();
  });

  it.each([
    ['another value', { key: 'gpu', value: 'h100' }],
    ['no value', { key: 'gpu' }],
    ['another key', { key: 'ssd', operator: 'Exists' }],
    ['another effect', { key: 'gpu', operator: 'Exists', effect: 'PreferNoSchedule' }],
  ] as const)('keeps a guest away that tolerates %s', (_, toleration) => {
    expect(ask(tolerating(toleration), {}, spec)).toContain('has the taint');
  });

  it('of the softer kind is taken only where nothing else fits', () => {
    const soft = host('h1', {}, { spec: { taints: [{ key: 'old', effect: 'PreferNoSchedule' }] } });
    const paper = createHostsOnPaper([soft, host('h2')]);
    paper.promise('h2', 14 * 2 ** 30);
    expect(paper.put(machine('a'))).toEqual({ host: 'h2' });
    expect(paper.put(machine('b', { memory: { size: '8Gi' } }))).toEqual({ host: 'h1' });
  });
});

describe('a group of hosts', () => {
  const hosts = [host('h1'), host('h2'), host('h3')];
  const groups = {
    near: { hosts: [{ name: 'h2' }, { name: 'h3', priority: 5 }] },
    only: { hosts: [{ name: 'h2' }], restricted: true },
  };
  const inGroup = (group: string, mode: 'Protected' | 'Ignored' = 'Protected') =>
    machine('a', { ha: { group, mode } });
  const paper = () => createHostsOnPaper(hosts, undefined, groups);

  it('that is restricted keeps its guests from all other hosts', () => {
    expect(paper().reason(inGroup('only'), 'h1')).toBe('is not in the restricted HAGroup only');
    expect(paper().put(inGroup('only'))).toEqual({ host: 'h2' });
  });

  it('gets its guests on the host of the highest priority, and on others where that is full', () => {
    const full = paper();
    expect(full.put(inGroup('near'))).toEqual({ host: 'h3' });
    for (const name of ['h3', 'h2']) full.promise(name, 16 * 2 ** 30 - 1);
    expect(full.put(machine('b', { ha: { group: 'near' } }))).toEqual({ host: 'h1' });
  });

  it.each([
    ['that is not there', inGroup('typo')],
    ['of a guest that is not protected', inGroup('only', 'Ignored')],
  ])('%s binds nobody', (_, guest) => {
    expect(paper().reason(guest, 'h1')).toBeUndefined();
  });
});

describe('what a host may promise', () => {
  const large = machine('a', { memory: { size: '15Gi' } });

  it('is what is allocatable, less what is reserved', () => {
    expect(ask(large)).toBeUndefined();
    expect(ask(large, {}, { reserved: { memory: '2Gi' } })).toBe('has not enough memory left');
  });

  it('grows by overcommit', () => {
    const huge = machine('a', { memory: { size: '20Gi' } });
    expect(ask(huge)).toBe('has not enough memory left');
    expect(ask(huge, {}, { overcommit: { memoryPercent: 150 } })).toBeUndefined();
  });

  it('is ten virtual CPUs for each unless it says otherwise', () => {
    const cores = (count: number) => machine('a', { cpu: { cores: count } });
    expect(ask(cores(80))).toBeUndefined();
    expect(ask(cores(81))).toBe('has not enough CPUs left');
    expect(ask(cores(9), {}, { overcommit: { cpuPercent: 100 } })).toBe('has not enough CPUs left');
    expect(ask(cores(8), {}, { overcommit: { cpuPercent: 100 }, reserved: { cpu: '500m' } })).toBeDefined();
  });

  it('is no matter for a container that asks for nothing', () => {
    expect(ask(container('c'), { allocatable: { cpu: 0, memory: '0' } })).toBeUndefined();
  });
});

describe('a CPU model', () => {
  const kvm = (flags: string[]) =>
    ({ cpu: { count: 8, virtualization: 'vmx', accelerator: 'kvm', flags } }) as const;
  const v2 = ['cx16', 'lahf_lm', 'popcnt', 'pni', 'sse4_1', 'sse4_2', 'ssse3'];
  const wanting = (model: string) => machine('a', { cpu: { model } });

  it('needs its flags where KVM runs the guest', () => {
    expect(ask(wanting('x86-64-v2'), kvm(v2))).toBeUndefined();
    expect(ask(wanting('x86-64-v2'), kvm(v2.slice(1)))).toBe('lacks processor flags of x86-64-v2: cx16');
    expect(ask(wanting('x86-64-v3'), kvm(v2))).toContain('avx2');
    expect(ask(wanting('x86-64-v2-AES'), kvm(v2))).toContain('aes');
  });

  it('that was recorded at the first start goes before what the spec says now', () => {
    const running = machine(
      'a',
      { cpu: { model: 'x86-64-v2' } },
      { effective: { 'cpu.model': 'x86-64-v3' } },
    );
    expect(ask(running, kvm(v2))).toContain('x86-64-v3');
  });

  it('needs nothing of the processor where it is emulated, nor where Vireo does not know the model', () => {
    expect(ask(wanting('x86-64-v4'))).toBeUndefined();
    expect(ask(wanting('Skylake-Server'), kvm(v2))).toBeUndefined();
  });
});

describe('the message of a guest that fits nowhere', () => {
  it('names eight hosts at most, and each reason at least once', () => {
    const crowd = Array.from({ length: 12 }, (_, index) => host(`h${10 + index}`, { pools: [] }));
    const paper = createHostsOnPaper([...crowd, host('z', {}, { unschedulable: true })]);
    const choice = paper.put(machine('a'));
    const message = 'message' in choice ? choice.message : '';
    expect(message.split('; ')).toHaveLength(9);
    expect(message).toContain('z is unschedulable');
    expect(message).toMatch(/others too: see kubectl vireo explain$/);
  });
});
