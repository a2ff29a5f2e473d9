/** The manifest of an archive as text and back. Whatever is in it may be hostile: it decides about file names below a directory. Pure. */
import { ReasonedError } from '../../base/outcome.ts';
import type { ArchiveBase, ArchiveManifest, ArchivePart, DiskBitmap } from './contract.ts';

export const manifestName = 'manifest.json';
const newestVersion = 2;
/** A name of a file right in the directory: no slash, no dot in front. */
const plainName = /^[a-z0-9][a-z0-9.-]{0,127}$/;
const formats: readonly string[] = ['qcow2', 'tar', 'tar.gz', 'tar.zst'] satisfies ArchivePart['format'][];
const bitmaps: readonly string[] = ['New', 'Used', 'Invalid', 'Recreated'] satisfies DiskBitmap[];
/** More than a chain ever has: a manifest that says more is not ours. */
const needsAtMost = 1_000;

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

/** Another archive that this one is based on cannot be had. */
export function baseMissing(name: string, base: string): ReasonedError {
  const message = `the archive ${name} holds what changed since ${base}, which is not in the pool any more; use another backup`;
  return new ReasonedError('ArchiveBaseMissing', message, { stalled: true });
}

/** Others hold only what changed since this one. */
export function archiveNeeded(name: string, by: readonly string[]): ReasonedError {
  const message = `the archive ${name} is needed by ${by.join(', ')}, which hold what changed since: it goes when these are gone`;
  return new ReasonedError('ArchiveNeeded', message);
}

/** Who needs the archive, of those whose needs are told. */
export function needing(name: string, all: Iterable<readonly [string, readonly string[]]>): string[] {
  return [...all].filter(([, needs]) => needs.includes(name)).map(([by]) => by);
}

/** Of these the ones of which, and of all that they need, the manifests are there and sound. What is in the parts is for a Verify to say. */
export async function wholeBases(
  names: readonly string[],
  read: (name: string) => Promise<ArchiveManifest | undefined>,
): Promise<ArchiveBase[]> {
  const sound = (name: string) => read(name).catch(() => undefined);
  const found = await Promise.all(
    names.map(async (name) => {
      const manifest = await sound(name);
      if (manifest === undefined) return [];
      const needed = await Promise.all((manifest.needs ?? []).map(sound));
      return needed.includes(undefined) ? [] : [{ name, manifest }];
    }),
  );
  return found.flat();
}

/** What an archive needs whose disks are based on these: themselves and what they need. */
export function needsOf(bases: readonly ArchiveBase[]): string[] {
  return [
    ...new Set([...bases.map(({ name }) => name), ...bases.flatMap(({ manifest }) => manifest.needs ?? [])]),
  ];
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
  if (typeof found.version === 'number' && found.version > newestVersion) {
    const message = `the archive ${name} is of version ${found.version}, this Vireo reads up to ${newestVersion}; use a newer Vireo`;
    throw new ReasonedError('ArchiveTooNew', message, { stalled: true });
  }
  if (found.version !== 1 && found.version !== 2) throw archiveBroken(name, `${manifestName} has no version`);
  const { parts } = found;
  if (!Array.isArray(parts) || parts.length === 0)
    throw archiveBroken(name, `${manifestName} lists no parts`);
  const needs = checkNeeds(name, found.needs);
  for (const part of parts as readonly unknown[]) checkPart(name, part, needs);
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

/** Without its version an older reader would take the changes of a disk for all of it. */
function checkNeeds(name: string, needs: unknown): readonly unknown[] {
  if (needs === undefined) return [];
  const isSound =
    Array.isArray(needs) &&
    needs.length <= needsAtMost &&
    needs.every((need) => typeof need === 'string' && isPlain(need) && need !== name);
  if (!isSound) throw archiveBroken(name, `${manifestName} tells badly of what it needs`);
  return needs;
}

function isPlain(file: string): boolean {
  return plainName.test(file) && !file.includes('..');
}

function checkPart(name: string, part: unknown, needs: readonly unknown[]): void {
  const isSound =
    isRecord(part) &&
    typeof part.name === 'string' &&
    (part.kind === 'Disk' || part.kind === 'Filesystem') &&
    formats.includes(String(part.format)) &&
    typeof part.sizeBytes === 'number' &&
    typeof part.storedBytes === 'number' &&
    (part.unpackedBytes === undefined || typeof part.unpackedBytes === 'number') &&
    (part.bitmap === undefined || bitmaps.includes(String(part.bitmap))) &&
    (part.base === undefined || (needs.includes(part.base) && part.kind === 'Disk')) &&
    (part.base === undefined) === (part.baseSha256 === undefined) &&
    /^[0-9a-f]{64}$/.test(String(part.sha256));
  if (!isSound) throw archiveBroken(name, `${manifestName} describes a part badly`);
  const file = String(part.file);
  if (!isPlain(file) || file === manifestName)
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
