/** The moves that the stories begin with, and what must hold when they are over. */
import { expect } from 'vitest';
import type { MemoryRequest } from '../../../../src/client/memory.ts';
import { createHosts, type HostName, type Hosts, type RunningHost } from './hosts.ts';

export type Kind = 'VirtualMachine' | 'Container';
export type Type = 'Live' | 'Offline';

export const nameOf = (kind: Kind) => (kind === 'Container' ? 'box' : 'web');
export const guestOf = (hosts: Hosts, kind: Kind) =>
  kind === 'Container' ? hosts.container() : hosts.machine();
export const isReady = (hosts: Hosts, kind: Kind) =>
  guestOf(hosts, kind)?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';

/** A guest runs on a, and b is there. */
export async function runningGuest(kind: Kind): Promise<{ hosts: Hosts; a: RunningHost; b: RunningHost }> {
  const hosts = createHosts();
  hosts.createPool();
  if (kind === 'Container') {
    hosts.createImage();
    hosts.createContainer();
  } else hosts.createMachine();
  const a = await hosts.start('a');
  const b = await hosts.start('b');
  const id = hosts.idOf(kind, nameOf(kind));
  await hosts.until('it runs on a', () => isReady(hosts, kind) && hosts.ether.isRunning('a', id));
  return { hosts, a, b };
}

/** Asks for a new placement of a guest. */
export const isSwap = ({ verb, body }: MemoryRequest): boolean =>
  verb === 'patch' &&
  (body as { status?: { placement?: unknown } } | undefined)?.status?.placement !== undefined;

export const isOver = (hosts: Hosts) => hosts.migration()?.status?.completedAt !== undefined;

/** Exactly one host has the guest, whole, in this pool, and nothing of it is anywhere else. */
export function expectWhole(hosts: Hosts, kind: Kind, at: HostName, pool: 'local' | 'other' = 'local'): void {
  const id = hosts.idOf(kind, nameOf(kind));
  const other = at === 'a' ? 'b' : 'a';
  const context = hosts.describe();
  expect(hosts.ether.violations, context).toEqual([]);
  expect(hosts.ether.runsOn(id), context).toEqual([`${at}/${id}`]);
  expect(hosts.ether.shells(), context).toEqual([]);
  expect(hosts.record(other, id), context).toBeUndefined();
  expect(hosts.record(at, id), context).not.toHaveProperty('incoming');
  expect(hosts.record(at, id), context).not.toHaveProperty('outgoing');
  expect(hosts.volumes(at, pool), context).toHaveLength(1);
  expect(hosts.volumes(at, pool === 'local' ? 'other' : 'local'), context).toEqual([]);
  for (const name of ['local', 'other']) expect(hosts.volumes(other, name), context).toEqual([]);
  expect(hosts.plugs[other].size, context).toBe(0);
  expect(guestOf(hosts, kind)?.status, context).toMatchObject({ placement: { host: at }, phase: 'Running' });
  expect(isReady(hosts, kind), context).toBe(true);
}
