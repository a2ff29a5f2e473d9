/** What both sides of a move share on one host. */
import type { Migration } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import { keyOf } from '../../api/meta.ts';
import type { Files } from '../../base/files.ts';
import type { GuestHandle } from '../../drivers/hypervisor/contract.ts';
import type { GuestWorld } from '../guests/world.ts';
import type { Peers } from '../peers/peers.ts';
import type { GuestRecord, MoveName } from '../record.ts';
import type { Mover } from './mover.ts';

export type MoveWorld = {
  guests: GuestWorld;
  files: Files;
  peers: Peers;
  /** Has what this host holds of shared pools in its memory written out; absent: it holds nothing. */
  writeOutShared: (() => Promise<void>) | undefined;
  mover(kind: GuestRecord['kind']): Mover;
};

/** One pass over one move: the Migration as seen, if there still is one, and the guest it is about. */
export type MovePass = {
  migration: Stored<Migration> | undefined;
  name: MoveName;
  guest: { kind: GuestRecord['kind']; namespace: string; name: string };
  handle: GuestHandle;
  mover: Mover;
  /** Wall clock, milliseconds. */
  now: number;
  signal: AbortSignal;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
};

/** `<kind>/<namespace>/<name>` of the guest that a migration moves. */
export function movedGuest({ metadata, spec }: Migration): string {
  return `${spec.guest.kind}/${metadata.namespace ?? 'default'}/${spec.guest.name}`;
}

/** The name by which records know a migration. */
export function moveName({ metadata }: Stored<Migration>): MoveName {
  return { uid: metadata.uid, namespace: metadata.namespace ?? 'default', name: metadata.name };
}

/** Key of a migration in informers and queues. */
export function moveKey(name: MoveName): string {
  return keyOf(name);
}

/** The agent's end of a step that has to wait: when to look again although nothing tells. */
export type Step =
  /** Decide again at once. */
  'again' | { afterMs: number };
