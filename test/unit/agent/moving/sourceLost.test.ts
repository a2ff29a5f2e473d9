/** The source of a move is lost in the middle, with all it ran, and the guest is recovered on the move's target. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { createHosts, type Hosts } from './hosts.ts';
import { isReady } from './stories.ts';

/** As a manager's recovery leaves it: proven to be dead there, and placed here. */
async function recover(hosts: Hosts) {
  await hosts.user.mergePatch(Host, { name: 'a' }, { status: { state: 'Fenced' } }, { subresource: 'status' });
  await hosts.user.mergePatch(
    VirtualMachine,
    { namespace: 'default', name: 'web' },
    { status: { placement: { host: 'b', epoch: 2, since: '2026-01-01T00:00:00Z' } } },
    { subresource: 'status' },
  );
}

async function labWithWeb() {
  const hosts = createHosts();
  hosts.createPool('local');
  hosts.createPool('shared');
  hosts.createMachine({ disks: [{ name: 'root', pool: 'shared', size: '1Gi' }] });
  const a = await hosts.start('a');
  const b = await hosts.start('b');
  const id = hosts.idOf('VirtualMachine', 'web');
  await hosts.until('it runs on a', () => isReady(hosts, 'VirtualMachine') && hosts.ether.isRunning('a', id));
  return { hosts, a, b, id };
}

describe('a guest whose source is lost in the middle of its move, recovered on the target', () => {
  it.each([
    ['that stays in its pool', {}],
    ['to another pool', { storage: [{ pool: 'shared', target: 'local' }] }],
  ] as const)('starts there from its disks: %s', async (_, more) => {
    const { hosts, a, b, id } = await labWithWeb();
    hosts.migrate('VirtualMachine', 'web', 'Live', more);
    await hosts.until('it is being sent', () => hosts.ether.transfer('a', id)?.phase === 'Disks');
    hosts.ether.cut.add('a');
    await a.kill();
    hosts.ether.end('a', id);
    await recover(hosts);
    hosts.ether.data.set(`b/${id}`, hosts.ether.latest());
    await hosts.until('it runs on b', () => hosts.ether.isRunning('b', id), 120_000);
    expect(hosts.record('b', id)).toMatchObject({ volumes: [{ name: 'root', pool: 'shared' }] });
    expect(hosts.volumes('b')).toEqual([]);
    await b.stop();
  });
});
