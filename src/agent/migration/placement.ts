/** What a consistent read says of where a moving guest belongs, as one word: all decisions about moves turn on it. Pure. */
import type { Stored } from '../../api/meta.ts';
import type { GuestObject } from '../guests/kind.ts';

/**
 * - Source: this move's source, with the epoch it had when the move began.
 * - SourceAnew: the source again, with a later epoch: it was given back, or claimed there.
 * - Target: the target, with the epoch of this hand-over or a later one.
 * - Elsewhere: a third host.
 * - Gone: the guest's object does not exist any more.
 * - Unknown: it could not be read, or what was read is older than what this host knows.
 */
export type Belonging = 'Source' | 'SourceAnew' | 'Target' | 'Elsewhere' | 'Gone' | 'Unknown';

/** The two ends of a move; `epoch` is the source's when it began. */
export type Ends = { guestUID: string; source: string; target: string; epoch: number };

export function belongingOf(found: Stored<GuestObject> | undefined, ends: Ends): Belonging {
  if (found === undefined || found.metadata.uid !== ends.guestUID) return 'Gone';
  const placement = found.status?.placement;
  if (placement === undefined || placement.epoch < ends.epoch) return 'Unknown';
  if (placement.host === ends.source) return placement.epoch > ends.epoch ? 'SourceAnew' : 'Source';
  if (placement.epoch === ends.epoch) return 'Unknown';
  return placement.host === ends.target ? 'Target' : 'Elsewhere';
}
