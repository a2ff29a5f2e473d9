/** Consistent reads of a guest's object: they go to the server, never to a cache. */
import type { GuestKind, GuestObject } from './kind.ts';
import type { GuestWorld } from './world.ts';

/** Without an answer in this time the guest waits: the reads stand between its preparation and its first instruction. */
const READ_TIMEOUT_MS = 5_000;

/** Options of a read with a deadline. */
export function read(signal: AbortSignal) {
  return { signal, timeoutMs: READ_TIMEOUT_MS };
}

/** A consistent read of a guest's object. */
export function readGuest<T extends GuestObject, Request, Hardware>(
  { client }: GuestWorld,
  { kind }: GuestKind<T, Request, Hardware>,
  ref: { namespace?: string; name: string },
  signal: AbortSignal,
) {
  return client.find(kind, ref, read(signal));
}
