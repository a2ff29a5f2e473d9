/** The Secret with the keys that StoragePools name for their archives, and which of them somebody has a copy of. */
import { createHash } from 'node:crypto';
import { SYSTEM_NAMESPACE } from './cluster.ts';
import type { Secret } from './core.ts';

/** Each of its entries is a key of age. No other Secret may be read by agents. */
export const BACKUP_KEYS = { namespace: SYSTEM_NAMESPACE, name: 'backup-keys' } as const;

/** On it: fingerprints of the entries that were exported, with blanks between them. */
export const EXPORTED_KEYS = 'vireo.dev/exported-keys';

/** What tells an entry from another and gives nothing away of it: SHA-256 of what `data` holds, hexadecimal. */
export function keyFingerprint(value: string): string {
  return createHash('sha256').update(value).digest('hex');
}

/** Fingerprints of the entries that were exported. */
export function exportedKeys({ metadata }: Pick<Secret, 'metadata'>): string[] {
  return (metadata.annotations?.[EXPORTED_KEYS] ?? '').split(' ').filter((text) => text !== '');
}
