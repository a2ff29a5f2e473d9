import { describe, expect, it } from 'vitest';
import type { Host } from '../../../src/api/kinds/host.ts';
import type { Stored } from '../../../src/api/meta.ts';
import type { Guest } from '../../../src/cluster/guests.ts';
import { container, host, machine, notReady } from './builders.ts';
import { createHostsOnPaper } from './hostsOnPaper.ts';

const GIB = 2 ** 30;

/** `promised` bytes of memory by host. */
function choose(
  guest: Guest,
  hosts: readonly Stored<Host>[],
  promised: Readonly<Record<string, number>> = {},
) {
  const paper = createHostsOnPaper(hosts);
  for (const [name, bytes] of Object.entries(promised)) paper.promise(name, bytes);
  return paper.scheduler.choose(guest);
}

describe('choosing a host', () => {
  it('takes the one with the most room', () => {
    expect(choose(machine('a'), [host('h1'), host('h2')], { h1: 4 * GIB, h2: 2 * GIB })).toEqual({
      host: 'h2',
    });
  });

  it('is settled by name when all is equal, so that the same question has one answer', () => {
    expect(choose(machine('a'), [host('h2'), host('h1')])).toEqual({ host: 'h1' });
  });

  it('promises no memory twice', () => {
    const choice = choose(machine('a', { memory: { size: '2Gi' } }), [host('h1')], { h1: 15 * GIB });
    expect(choice).toEqual({ reason: 'NoHostFits', message: 'h1 has not enough memory left' });
  });

  it('says of each host why it does not fit', () => {
    const guest = machine('a', { networks: [{ name: 'eth0', bridge: { name: 'br0' } }] });
    const choice = choose(guest, [
      host('h1', {}, { unschedulable: true }),
      host('h2', { conditions: notReady('LeaseExpired') }),
      host('h3', { pools: [] }),
      host('h4'),
    ]);
    expect(choice).toEqual({
      reason: 'NoHostFits',
      message:
        'h1 is unschedulable; h2 is not ready (LeaseExpired); h3 has no bridge br0 that guests may use; h4 has no bridge br0 that guests may use',
    });
  });

  it('names a host that does not exist', () => {
    const choice = choose(machine('a', { placement: { host: 'gone' } }), [host('h1')]);
    expect(choice).toMatchObject({ reason: 'HostNotFound', message: expect.stringContaining('gone') });
  });

  it('keeps a guest with a named host there, and speaks of that host only', () => {
    const guest = machine('a', { placement: { host: 'h2' } });
    expect(choose(guest, [host('h1'), host('h2')], { h2: 8 * GIB })).toEqual({ host: 'h2' });
    const choice = choose(guest, [host('h1'), host('h2', { conditions: notReady('NotReported') })]);
    expect(choice).toMatchObject({ message: 'h2 is not ready (NotReported)' });
  });

  it('follows labels', () => {
    const guest = machine('a', { placement: { hostSelector: { disk: 'ssd' } } });
    expect(choose(guest, [host('h1'), host('h2', {}, { labels: { disk: 'ssd' } })])).toEqual({ host: 'h2' });
  });

  it('sends machines only where QEMU is, containers only where LXC is', () => {
    const noQemu = host('h1', { cpu: { count: 1, virtualization: 'none', accelerator: 'none' } });
    const { lxc: _, ...withoutLxc } = host('h2').status ?? {};
    const noLxc = { ...host('h2'), status: withoutLxc };
    expect(choose(machine('a'), [noQemu, noLxc])).toEqual({ host: 'h2' });
    expect(choose(container('c'), [noQemu, noLxc])).toEqual({ host: 'h1' });
  });

  it('says so when there is no host at all', () => {
    expect(choose(machine('a'), [])).toEqual({ reason: 'NoHosts', message: 'there is no Host yet' });
  });
});
