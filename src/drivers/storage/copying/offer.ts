/** What the sender of a volume offers, and what the receiver makes of it before any data flows. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { VolumeFacts, VolumeRequest, VolumeStream } from '../contract.ts';

export type Offer = Pick<VolumeFacts, 'kind' | 'format' | 'sizeBytes' | 'usedBytes'> & {
  version: 1;
  /** First host id of a tree whose ids lie shifted. */
  shiftedBy?: number;
  /** When this pass began, by the sender's clock. */
  beganMs?: number;
  /** Password of this copy. */
  secret?: string;
  /** What it can be sent as in one piece, instead of file by file. */
  streams?: readonly string[];
};

/** `stream`: the one of those offered that it is to be sent as. */
export type Answer = { answer: 'Send' | 'Have'; stream?: VolumeStream };

/** The offer in a message, checked against what is to arrive. Throws ReasonedError VolumeDiffers, PeerNotUnderstood. */
export function checkedOffer(message: unknown, request: VolumeRequest): Offer {
  const offer = message as Partial<Offer>;
  const isWhole = [offer.sizeBytes, offer.usedBytes].every((size) => Number.isSafeInteger(size));
  if (offer.version !== 1 || !isWhole || (offer.kind === 'Filesystem' && typeof offer.secret !== 'string')) {
    throw new ReasonedError(
      'PeerNotUnderstood',
      'the other host offers a volume in a way this one does not understand; let both run the same version',
    );
  }
  const format = request.kind === 'Disk' ? request.format : 'directory';
  if (offer.kind !== request.kind || offer.format !== format) {
    const message = `the volume ${request.id} is a ${offer.kind} (${offer.format}) on its host, not a ${request.kind} (${format})`;
    throw new ReasonedError('VolumeDiffers', message, { stalled: true });
  }
  return offer as Offer;
}

/** What the receiver answered. */
export function answered(message: unknown): Answer {
  const { answer, stream } = message as { answer?: unknown; stream?: unknown };
  const said = answer === 'Have' ? ('Have' as const) : ('Send' as const);
  return stream === 'BtrfsSend' ? { answer: said, stream } : { answer: said };
}
