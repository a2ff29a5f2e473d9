/** What the pool writes about each volume and image: JSON beside the data, the only memory the pool has. */

import type { Files } from '../../../base/files.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { ImageFacts, VolumeAttachment, VolumeFacts, VolumeOwner } from '../contract.ts';

export type VolumeRecord = Omit<VolumeFacts, 'usedBytes'> & {
  /** Bytes the volume had when it was made: the answer until a Filesystem has been measured. */
  initialBytes: number;
  /** True from the wish to grow until the file is known to have the recorded size. */
  growing?: boolean;
  /** First host id, where ids are shifted on disk. */
  shiftedBy?: number;
  /** Name of the replacement by which its data came here. */
  replacedBy?: string;
};

/** What is known of a volume that comes from another host. */
export type ArrivalRecord = {
  owner: VolumeOwner;
  /** When the last pass began, by the source's clock in ms since the epoch: what changed since then was perhaps read too early. */
  beganMs: number;
  /** True from the moment on in which owners are changed: half of that is worth nothing. */
  shifting?: boolean;
};

export const volumeRecordName = 'volume.json';
export const imageRecordName = 'image.json';
export const arrivalRecordName = 'arrival.json';

/** The record of a volume's directory: undefined without a directory; throws ReasonedError VolumeDamaged when it is not readable. */
export async function readVolumeRecord(files: Files, directory: string): Promise<VolumeRecord | undefined> {
  const path = `${directory}/${volumeRecordName}`;
  let text = await files.readText(path);
  if (text === undefined) {
    if ((await files.stat(directory)) === undefined) return undefined;
    // The rename that shows a volume may come between the two looks: now its record is there too.
    text = await files.readText(path);
  }
  const record = text === undefined ? undefined : parse<VolumeRecord>(text);
  if (record?.owner?.guestUuid === undefined || (record.kind !== 'Disk' && record.kind !== 'Filesystem')) {
    const message = `the record of the volume in ${directory} is missing or unreadable; its data is untouched: restore ${volumeRecordName} there or move the directory away`;
    throw new ReasonedError('VolumeDamaged', message, { stalled: true });
  }
  return record;
}

/** The record of an image's directory; undefined when there is none or it is unreadable: an image can be made again. */
export async function readImageRecord(files: Files, directory: string): Promise<ImageFacts | undefined> {
  const text = await files.readText(`${directory}/${imageRecordName}`);
  const record = text === undefined ? undefined : parse<ImageFacts>(text);
  return typeof record?.sourceHash === 'string' ? record : undefined;
}

/** The record of an arrival's directory; undefined when there is none or it is unreadable: the volume can be copied again. */
export async function readArrivalRecord(files: Files, directory: string): Promise<ArrivalRecord | undefined> {
  const text = await files.readText(`${directory}/${arrivalRecordName}`);
  const record = text === undefined ? undefined : parse<ArrivalRecord>(text);
  return record?.owner?.guestUuid === undefined ? undefined : record;
}

/** Writes a record so that it survives a crash as a whole or not at all; a `fleeting` one is flushed by the caller, with its data. */
export async function writeRecord(
  files: Files,
  path: string,
  record: VolumeRecord | ImageFacts | ArrivalRecord,
  options: { fleeting?: boolean } = {},
): Promise<void> {
  await files.writeAtomic(path, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600, ...options });
}

function parse<T>(text: string): (Partial<T> & T) | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

/** How a hypervisor reaches the data of a volume at `path`. */
export function attachmentAt(
  path: string,
  { format, shiftedBy }: Pick<VolumeRecord, 'format' | 'shiftedBy'>,
): VolumeAttachment {
  if (format !== 'directory') return { type: 'File', path, format };
  return { type: 'Directory', path, shift: shiftedBy === undefined ? 'Idmapped' : { shiftedBy } };
}
