import { describe, expect, it } from 'vitest';
import { Migration } from '../../../src/api/kinds/migration.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { migrate } from '../../../src/cli/migrate.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { createFakeClock } from '../../world/fakeClock.ts';
import { seededRandom } from '../../world/seededRandom.ts';
import { machine } from '../cluster/builders.ts';
import { movable } from '../cluster/migrationLab.ts';

const target = { kind: 'VirtualMachine', namespace: 'default', name: 'web' } as const;

function workstation(migratable: 'True' | 'False' = 'True') {
  const clock = createFakeClock();
  const client = createMemoryClient({ clock });
  client.seed(VirtualMachine, machine('web', {}, movable('h1', 1, migratable)));
  const lines: string[] = [];
  const tools = { client, clock, random: seededRandom() };
  return {
    clock,
    client,
    lines,
    run: (options: { to?: string; offline?: boolean }) =>
      migrate(tools, { target, offline: false, ...options }, (line) => lines.push(line)),
    made: () => client.state.list(Migration)[0] as Migration | undefined,
    say: (status: Migration['status']) =>
      client.mergePatch(
        Migration,
        client.state.list(Migration)[0]?.metadata ?? { name: '' },
        { status },
        { subresource: 'status' },
      ),
  };
}

describe('kubectl vireo migrate', () => {
  it('makes a Migration and shows how it goes, to its end', async () => {
    const { run, clock, made, say, lines } = workstation();
    const code = run({ to: 'h2' });
    await clock.advance(10);
    expect(made()?.spec).toMatchObject({
      guest: { name: 'web' },
      targetHost: 'h2',
      ttlSecondsAfterFinished: 3_600,
    });
    await say({
      phase: 'Copying',
      message: 'disks and memory are being sent',
      progress: { transferredBytes: 1, remainingBytes: 1_024 },
    });
    await clock.advance(600);
    await say({
      phase: 'Succeeded',
      message: 'the guest is on h2',
      completedAt: '2026-01-01T00:00:01Z',
      totalMilliseconds: 900,
      downtimeMilliseconds: 40,
    });
    await clock.advance(600);
    expect(await code).toBe(0);
    expect(lines.slice(1)).toEqual([
      'Pending: waits for its turn',
      'Copying: disks and memory are being sent (1Ki to send)',
      'Succeeded: the guest is on h2 (900 ms in all, stood still for 40 ms)',
    ]);
  });

  it('shows what becomes of those that come along, and fails if one of them stays', async () => {
    const { run, clock, made, say, lines, client } = workstation();
    const code = run({ to: 'h2' });
    await clock.advance(10);
    const follows = {
      namespace: 'default',
      name: made()?.metadata.name ?? '',
      guest: { kind: 'VirtualMachine', name: 'web' },
    } as const;
    const other: Migration = {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'Migration',
      metadata: { name: 'with-vm-db', namespace: 'default' },
      spec: { guest: { kind: 'VirtualMachine', name: 'db' }, follows },
    };
    client.seed(Migration, other);
    await say({ phase: 'Succeeded', message: 'the guest is on h2', completedAt: '2026-01-01T00:00:01Z' });
    await clock.advance(2_000);
    expect(lines.at(-1)).toBe('Succeeded: the guest is on h2');
    client.seed(Migration, {
      ...other,
      status: { phase: 'Failed', message: 'the link was cut', completedAt: '2026-01-01T00:00:03Z' },
    });
    await clock.advance(1_000);
    expect(await code).toBe(1);
    expect(lines.at(-1)).toBe('with it VirtualMachine/db: Failed: the link was cut');
  });

  it('does not stop a running machine unasked', async () => {
    const { run, made } = workstation('False');
    await expect(run({})).rejects.toThrow(
      'eth0 is on the NAT network of its host. With --offline it is stopped for the move',
    );
    expect(made()).toBeUndefined();
  });

  it('ends with 1 when the guest stayed', async () => {
    const { run, clock, say, made } = workstation('False');
    const code = run({ offline: true });
    await clock.advance(10);
    expect(made()?.spec.type).toBe('Offline');
    await say({ phase: 'Failed', message: 'no host takes it', completedAt: '2026-01-01T00:00:01Z' });
    await clock.advance(600);
    expect(await code).toBe(1);
  });
});
