/** The file of encryption keys, kept outside the store: who steals the store, or a backup of it, has no Secrets. */
import { createHash } from 'node:crypto';
import type { World } from '../../base/world.ts';
import type { EncryptionKey, EncryptionKeys } from './envelope.ts';

const keyBytes = 32;
const heading = `# Keys that encrypt Secrets in the store (AES-256-GCM), one per line: NAME BASE64-OF-32-BYTES.
# The first one encrypts, all decrypt: put a new key first to change keys. Without this file the Secrets are lost.
`;

/** Reads `<directory>/encryption.keys` or makes it with one key, mode 0600. Throws when the file holds anything else. */
export async function loadEncryptionKeys(
  world: Pick<World, 'files' | 'random'>,
  directory: string,
): Promise<EncryptionKeys> {
  const path = `${directory}/encryption.keys`;
  const text = await world.files.readText(path);
  if (text !== undefined) return parseKeys(text, path);
  const key = world.random.bytes(keyBytes);
  // The name tells keys apart that were made at different times; it reveals nothing of the key.
  const name = createHash('sha256').update('name of ').update(key).digest('hex').slice(0, 8);
  await world.files.writeAtomic(path, `${heading}${name} ${Buffer.from(key).toString('base64')}\n`, {
    mode: 0o600,
  });
  return [{ name, key }];
}

function parseKeys(text: string, path: string): EncryptionKeys {
  const lines = text.split('\n').map((line) => line.trim());
  const [first, ...others] = lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => parseKey(line, path));
  if (first === undefined) throw new Error(`${path} holds no key: restore it`);
  return [first, ...others];
}

/** The message must not repeat the line: it may hold a key. */
function parseKey(line: string, path: string): EncryptionKey {
  const [, name, encoded = ''] = /^([A-Za-z0-9._-]{1,64})\s+([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
  const key = Buffer.from(encoded, 'base64');
  if (name === undefined || key.length !== keyBytes) {
    throw new Error(`${path} has a line that is no key: write NAME and the base64 of ${keyBytes} bytes`);
  }
  return { name, key };
}
