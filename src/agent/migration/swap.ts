/** The one write that moves a guest: its placement by compare-and-swap, and what its answer proves. */
import type { KindRef, Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { ApiError, type Client } from '../../client/contract.ts';
import type { GuestObject } from '../guests/kind.ts';

/**
 * Swapped: stored. Stale: surely not stored, the object has changed: read again. Refused: surely not stored, and would not be the next time.
 * Unknown: there was no answer, or none that says what was stored.
 */
export type SwapResult = 'Swapped' | 'Stale' | 'Refused' | 'Unknown';

/** How long an answer is waited for: the guest may stand still meanwhile. */
const SWAP_TIMEOUT_MS = 10_000;

/** Swaps the placement of the guest that was read, or nothing: `found` carries the resourceVersion. */
export async function swapPlacement<T extends GuestObject>(
  client: Client,
  kind: KindRef<T>,
  { metadata }: Stored<GuestObject>,
  placement: { host: string; epoch: number; now: number },
  signal: AbortSignal,
): Promise<SwapResult> {
  const { uid, resourceVersion } = metadata;
  const { host, epoch, now } = placement;
  const since = timeOf(now);
  const patch = { metadata: { uid, resourceVersion }, status: { placement: { host, epoch, since } } };
  try {
    await client.mergePatch(kind, metadata, patch, {
      subresource: 'status',
      signal,
      timeoutMs: SWAP_TIMEOUT_MS,
    });
    return 'Swapped';
  } catch (error) {
    return resultOf(error);
  }
}

/** A refusal comes before anything is stored; everything else may have been stored. */
function resultOf(error: unknown): SwapResult {
  if (!(error instanceof ApiError)) return 'Unknown';
  const { code } = error;
  if (code === 409 || code === 429) return 'Stale';
  return code >= 400 && code < 500 && code !== 408 ? 'Refused' : 'Unknown';
}
