/** The manifest of an archive as text and back. Whatever is in it may be hostile: it decides about file names below a directory. Pure. */
import { ReasonedError } from '../../base/outcome.ts';
import type { ArchiveManifest, ArchivePart } from './contract.ts';

export const manifestName = 'manifest.json';
const version = 1;
/** A name of a file right in the directory: no slash, no dot in front. */
const plainName = /^[a-z0-9][a-z0-9.-]{0,127}$/;
const formats: readonly string[] = ['qcow2', 'tar', 'tar.gz', 'tar.zst'] satisfies ArchivePart['format'][];

/** The archive cannot be trusted. */
export function archiveBroken(name: string, why: string): ReasonedError {
  return new ReasonedError('ArchiveBroken', `the archive ${name} is damaged: ${why}; use another backup`, {
    stalled: true,
  });
}

/** There is no whole archive of that name. */
export function archiveMissing(name: string): ReasonedError {
  return new ReasonedError('ArchiveMissing', `the pool holds no archive ${name}`, { stalled: true });
}

/** The part of that name. Throws ReasonedError ArchiveMissing. */
export function partNamed(name: string, { parts }: ArchiveManifest, volume: string): ArchivePart {
  const part = parts.find((known) => known.name === volume);
  if (part !== undefined) return part;
  const message = `the archive ${name} holds no ${volume}, but ${parts.map((known) => known.name).join(', ')}`;
  throw new ReasonedError('ArchiveMissing', message, { stalled: true });
}

export function formatManifest(manifest: ArchiveManifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/** Throws ReasonedError ArchiveTooNew, ArchiveBroken. */
export function parseManifest(name: string, text: string): ArchiveManifest {
  const found = objectOf(text);
  if (found === undefined) throw archiveBroken(name, `${manifestName} is not JSON`);
  if (typeof found.version === 'number' && found.version > version) {
    const message = `the archive ${name} is of version ${found.version}, this Vireo reads up to ${version}; use a newer Vireo`;
    throw new ReasonedError('ArchiveTooNew', message, { stalled: true });
  }
  if (found.version !== version) throw archiveBroken(name, `${manifestName} has no version`);
  const { parts } = found;
  if (!Array.isArray(parts) || parts.length === 0)
    throw archiveBroken(name, `${manifestName} lists no parts`);
  for (const part of parts as readonly unknown[]) checkPart(name, part);
  for (const field of ['takenAt', 'finishedAt', 'consistency', 'mode', 'compression'])
    if (typeof found[field] !== 'string') throw archiveBroken(name, `${manifestName} lacks ${field}`);
  const { encryption } = found;
  const isKnown =
    encryption === undefined ||
    (isRecord(encryption) &&
      encryption.format === 'age' &&
      /^age1[0-9a-z]+$/.test(String(encryption.recipient)));
  if (!isKnown) throw archiveBroken(name, `${manifestName} tells of an encryption that is not known`);
  if (!isRecord(found.guest)) throw archiveBroken(name, `${manifestName} lacks guest`);
  return found as ArchiveManifest;
}

function checkPart(name: string, part: unknown): void {
  const isSound =
    isRecord(part) &&
    typeof part.name === 'string' &&
    (part.kind === 'Disk' || part.kind === 'Filesystem') &&
    formats.includes(String(part.format)) &&
    typeof part.sizeBytes === 'number' &&
    typeof part.storedBytes === 'number' &&
    (part.unpackedBytes === undefined || typeof part.unpackedBytes === 'number') &&
    /^[0-9a-f]{64}$/.test(String(part.sha256));
  if (!isSound) throw archiveBroken(name, `${manifestName} describes a part badly`);
  const file = String(part.file);
  if (!plainName.test(file) || file.includes('..') || file === manifestName)
    throw archiveBroken(name, `the part ${JSON.stringify(file)} would lie outside of the archive`);
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
