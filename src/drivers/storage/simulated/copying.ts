/** Copies volumes and archives of simulated pools: the same words over the stream as real pools say, without the data. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../base/clock.ts';
import type { CopyOptions, VolumeFacts, VolumeRequest } from '../contract.ts';
import { answered, checkedOffer, type Offer } from '../copying/offer.ts';
import { createWire } from '../copying/wire.ts';
import { copiedOnce } from '../refusals.ts';

/** One pass at the source; resolves when the other side has it. */
export async function sendSimulated(
  volume: VolumeFacts,
  stream: Duplex,
  { pass, signal }: CopyOptions,
  clock: Clock,
): Promise<void> {
  const wire = createWire(stream, signal, clock);
  const { kind, format, sizeBytes, usedBytes } = volume;
  const offer: Offer = { version: 1, kind, format, sizeBytes, usedBytes, secret: '' };
  try {
    if (kind === 'Disk' && pass === 'First') throw copiedOnce(volume.id);
    await wire.tell(offer);
    if (answered(await wire.hear()).answer === 'Send') await wire.tell({ complete: true });
    await wire.hear();
  } catch (error) {
    await wire.refuse(error);
    throw error;
  }
}

/** One pass at the target. `look` says whether the volume is there, and throws when it must not come; `keep` shows it. */
export async function receiveSimulated(
  request: VolumeRequest,
  stream: Duplex,
  { pass, signal }: CopyOptions,
  pool: { clock: Clock; look(usedBytes: number): boolean; keep(volume: VolumeFacts): Promise<void> },
): Promise<void> {
  const wire = createWire(stream, signal, pool.clock);
  const { id, owner } = request;
  try {
    const { kind, format, sizeBytes, usedBytes } = checkedOffer(await wire.hear(), request);
    if (pool.look(usedBytes)) await wire.tell({ answer: 'Have' });
    else {
      await wire.tell({ answer: 'Send' });
      await wire.hear();
      if (pass === 'Final') await pool.keep({ id, owner, kind, format, sizeBytes, usedBytes });
    }
    await wire.tell({ kept: true });
  } catch (error) {
    await wire.refuse(error);
    throw error;
  }
}

/** The manifest of an archive, as `look` finds it; resolves when the other side has it. */
export async function sendSimulatedArchive(
  stream: Duplex,
  signal: AbortSignal,
  clock: Clock,
  look: () => Promise<string>,
): Promise<void> {
  const wire = createWire(stream, signal, clock);
  try {
    await wire.tell({ manifest: await look() });
    await wire.hear();
  } catch (error) {
    await wire.refuse(error);
    throw error;
  }
}

/** `checkSpace` throws when it must not come. */
export async function receiveSimulatedArchive(
  stream: Duplex,
  signal: AbortSignal,
  clock: Clock,
  checkSpace: () => void,
): Promise<string> {
  const wire = createWire(stream, signal, clock);
  try {
    checkSpace();
    const { manifest } = (await wire.hear()) as { manifest: string };
    await wire.tell({ kept: true });
    return manifest;
  } catch (error) {
    await wire.refuse(error);
    throw error;
  }
}
