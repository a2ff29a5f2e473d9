/**
 * What a manager of the model does after the API was restored from an older copy, as the real one (src/cluster/recovery, src/cluster/placement):
 * nothing before every host has said what it has, and then each guest is claimed where it is, under an epoch above all that were seen.
 */
import { isSameLife, type Placement, type Version } from '../../cluster/ha/model.ts';
import { without } from '../../cluster/ha/states.ts';
import type { Objects, StoredGuest } from './api.ts';
import type { SimHost } from './host.ts';
import { UNTOLD } from './untold.ts';

export type Claim = { guest: string; version: Version; next: StoredGuest };

/** Hosts that have not said what they have since the API was restored. */
export function unreported({ restored = 0, hosts, statements }: Objects): string[] {
  return [...hosts.keys()].filter((name) => (statements.get(name)?.value.incarnation ?? 0) < restored);
}

/** It has said to the API as it is that nothing of its life runs any more: no renewal of its Lease follows. */
export function hasEnded(name: string, { statements }: Objects): boolean {
  const { life, shutdown } = statements.get(name)?.value ?? {};
  return shutdown?.stopped === true && isSameLife(shutdown, life);
}

/** By uid, what a host has a record of that has or had this guest's name. */
export function recordsOf(guest: string, { epochs }: SimHost): string[] {
  return [...epochs.keys()].filter((uid) => guestOf(uid) === guest);
}

/** As src/agent/cluster/elsewhere.ts: asked by a host about a guest of which it has no record, or whose name another object had since. */
export function mayBeElsewhere(
  { name: host, epochs, orphans }: SimHost,
  { guest, uid, epoch }: { guest: string; uid: string; epoch: number },
  objects: Objects,
): boolean {
  if (objects.restored === undefined || (epochs.has(uid) && !orphans.has(uid))) return false;
  const isSilent = unreported(objects).some((name) => name !== host);
  const isTaken = [...objects.statements].some(([name, { value }]) => {
    const report = value.guests.get(guest);
    const proof = objects.hosts.get(name)?.value.proof;
    const isOver = proof?.covers === undefined && isSameLife(proof, value.life);
    const isOther = (report?.uid ?? uid) !== uid && !isOver;
    return name !== host && report !== undefined && (isOther || report.epoch > epoch);
  });
  return isSilent || isTaken;
}

/**
 * Guests of which a host remembers a later epoch than the API does, whatever object it was made for. Of several hosts the one that runs it wins, then
 * the newest.
 */
export function claimsOf(objects: Objects): Claim[] {
  return [...objects.guests].flatMap(([guest, { version, value }]) => {
    const found = placeOf(guest, value, objects);
    if (found === undefined) return [];
    const record = without(value.record, 'target', 'move', 'tried', 'relocations', 'unstarted', 'reason');
    return [
      { guest, version, next: { ...value, record: { ...record, state: 'Started', placement: found } } },
    ];
  });
}

/**
 * Guests that were placed nowhere yet while a host has a record of one of their name, of an object before them: they belong there (as
 * src/cluster/placement/inventory.ts). One that runs is adopted by the engine.
 */
export function heirsOf(objects: Objects): Claim[] {
  return [...objects.guests].flatMap(([guest, { version, value }]) => {
    if (value.record.placement !== undefined) return [];
    const placement = placeOf(guest, value, objects);
    const isRunning = [...objects.statements.values()].some(
      (statement) => statement.value.guests.get(guest)?.state === 'Running',
    );
    if (placement === undefined || isRunning) return [];
    return [{ guest, version, next: { ...value, record: { ...value.record, placement } } }];
  });
}

const RANK = { Running: 0, Preparing: 1, Off: 2 } as const;

function placeOf(guest: string, { record }: StoredGuest, { statements }: Objects): Placement | undefined {
  const found = [...statements].flatMap(([host, { value }]) => {
    const report = value.guests.get(guest);
    return report === undefined ? [] : [{ host, ...report }];
  });
  const isBehind = found.some(({ epoch }) => epoch > (record.placement?.epoch ?? 0));
  const [best] = found.toSorted((a, b) => RANK[a.state] - RANK[b.state] || b.epoch - a.epoch);
  if (!isBehind || best === undefined) return undefined;
  return { host: best.host, epoch: Math.max(...found.map(({ epoch }) => epoch)) + 1, ...UNTOLD };
}

/** A uid of the model is the guest's id and a number. */
export function guestOf(uid: string): string {
  return uid.slice(0, uid.lastIndexOf('#'));
}
