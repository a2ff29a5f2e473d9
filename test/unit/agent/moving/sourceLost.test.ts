/** The source of a move is lost in the middle, with all it ran, and the guest is recovered on the move's target. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../../../src/api/kinds/host.ts';
import { Migration, type MigrationSpec } from '../../../../src/api/kinds/migration.ts';
import { StoragePool } from '../../../../src/api/kinds/storagePool.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { createHosts, type Hosts, type RunningHost } from './hosts.ts';
import { isReady } from './stories.ts';

const stay = (hosts: Hosts, state: 'Online' | 'Fenced') =>
  hosts.user.mergePatch(Host, { name: 'a' }, { status: { state } }, { subresource: 'status' });

/** As a manager's recovery leaves it: proven to be dead there, and placed here. */
async function recover(hosts: Hosts, a: RunningHost, id: string, host = 'b') {
  hosts.ether.cut.add('a');
  await a.kill();
  hosts.ether.end('a', id);
  await stay(hosts, 'Fenced');
  // Its disk is one and the same for both.
  hosts.ether.data.set(`b/${id}`, hosts.ether.latest());
  await hosts.user.mergePatch(
    VirtualMachine,
    { namespace: 'default', name: 'web' },
    { status: { placement: { host, epoch: 2, since: '2026-01-01T00:00:00Z' } } },
    { subresource: 'status' },
  );
}

async function labWithWeb() {
  const hosts = createHosts();
  hosts.createPool('local');
  hosts.user.seed(StoragePool, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'StoragePool',
    metadata: { name: 'shared' },
    spec: { type: 'Directory', shared: true },
  } as StoragePool);
  hosts.createMachine({ disks: [{ name: 'root', pool: 'shared', size: '1Gi' }] });
  const a = await hosts.start('a');
  const b = await hosts.start('b');
  const id = hosts.idOf('VirtualMachine', 'web');
  await hosts.until('it runs on a', () => isReady(hosts, 'VirtualMachine') && hosts.ether.isRunning('a', id));
  return { hosts, a, b, id };
}

const STAYS: Partial<MigrationSpec> = {};
const LEAVES: Partial<MigrationSpec> = { storage: [{ pool: 'shared', target: 'local' }] };

describe('a guest whose source is lost in the middle of its move, recovered on the target', () => {
  it.each([
    ['Live', STAYS, 'its process waits for ever'],
    ['Live', LEAVES, 'its process waits for ever'],
    ['Live', LEAVES, 'its process has ended'],
    ['Live', LEAVES, 'its source had written down that it asks'],
    ['Offline', LEAVES, 'half of it is copied'],
  ] as const)('starts there from the disk that it had: %s, %j, %s', async (type, more, what) => {
    const { hosts, a, b, id } = await labWithWeb();
    if (type === 'Offline') hosts.ether.takeMs.push(60_000);
    hosts.migrate('VirtualMachine', 'web', type, more);
    const isOnItsWay = () => {
      const record = hosts.record('a', id) as { outgoing?: { handOver?: string } } | undefined;
      if (what.includes('asks')) return record?.outgoing?.handOver === 'Asked';
      return type === 'Live'
        ? hosts.ether.transfer('a', id)?.phase === 'Memory'
        : hosts.ether.passes.length > 0;
    };
    await hosts.until('it is on its way', isOnItsWay);
    await recover(hosts, a, id);
    if (what === 'its process has ended') hosts.ether.stopWaiting('b', id);
    await hosts.until(
      'it runs on b',
      () => hosts.ether.isRunning('b', id) && isReady(hosts, 'VirtualMachine'),
    );
    expect(hosts.record('b', id)).toMatchObject({ epoch: 2, volumes: [{ name: 'root', pool: 'shared' }] });
    expect(hosts.record('b', id)).not.toHaveProperty('incoming');
    expect(hosts.volumes('b')).toEqual([]);
    await hosts.until('it is said', () => hosts.migration()?.status?.target?.state === 'Settled');

    // The lost host is back, in another life, and leaves the disk to whoever has it.
    hosts.ether.forgetTransfer('a', id);
    hosts.ether.cut.delete('a');
    const again = await hosts.start('a');
    await hosts.clock.advance(120_000);
    expect(hosts.volumes('shared', 'shared')).toHaveLength(1);
    expect(hosts.ether.violations).toEqual([]);
    expect(hosts.ether.runsOn(id)).toEqual([`b/${id}`]);
    await again.stop();
    await b.stop();
  });

  it('leaves nothing of its move on either host when a third one has it', async () => {
    const { hosts, a, b, id } = await labWithWeb();
    hosts.migrate('VirtualMachine', 'web', 'Live', LEAVES);
    const asked = () => (hosts.record('a', id) as { outgoing?: { handOver?: string } } | undefined)?.outgoing;
    await hosts.until('it is about to ask', () => asked()?.handOver === 'Asked');
    await recover(hosts, a, id, 'c');
    await hosts.user.mergePatch(
      Migration,
      { namespace: 'default', name: 'move' },
      { status: { phase: 'Failed', completedAt: '2026-01-01T00:00:00Z' } },
      { subresource: 'status' },
    );
    await hosts.until('the target is clean', () => hosts.record('b', id) === undefined);
    expect(hosts.volumes('b')).toEqual([]);
    hosts.ether.forgetTransfer('a', id);
    hosts.ether.cut.delete('a');
    const again = await hosts.start('a');
    await hosts.until('its source has let it go', () => hosts.record('a', id)?.released === true);
    expect(hosts.record('a', id)).not.toHaveProperty('outgoing');
    expect(hosts.volumes('shared', 'shared')).toHaveLength(1);
    await again.stop();
    await b.stop();
  });
});
