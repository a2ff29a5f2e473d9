/**
 * Encrypts the parts of an archive and opens them again by age (https://age-encryption.org/v1, age(1)). A key is told to the programs by the path
 * of its file, or on their standard input: never in their arguments.
 */
import { ReasonedError } from '../../../../base/outcome.ts';
import type { AgeKey } from '../../contract.ts';
import { type Tools, wholeVolumeMs } from '../tools.ts';

/** What is appended to the name of an encrypted part. */
export const sealedSuffix = '.age';

/** Where a program is told to look for the key, and what it finds there when that is its standard input. */
type Identity = { path: string; input?: string };

/** The public half of the key, `age1...`. Throws ReasonedError KeyMissing. */
export async function recipientOf(tools: Tools, key: AgeKey | undefined): Promise<string> {
  return publicHalf(tools, await identityOf(key));
}

async function identityOf({ told, file }: AgeKey = {}): Promise<Identity> {
  const input = await told?.();
  if (input !== undefined) return { path: '-', input };
  if (file !== undefined) return { path: file };
  throw keyMissing('neither has the StoragePool a backupKey nor this host one in its agent.yaml');
}

async function publicHalf(tools: Tools, { path, input }: Identity): Promise<string> {
  try {
    const argv = ['age-keygen', '-y', ...(input === undefined ? [path] : [])];
    const { stdout } = await tools.run(argv, input === undefined ? {} : { input });
    const [recipient] = /^age1[0-9a-z]+$/m.exec(stdout) ?? [];
    if (recipient !== undefined) return recipient;
  } catch (error) {
    if (!(error instanceof ReasonedError) || error.reason === 'ToolMissing') throw error;
  }
  throw keyMissing(
    input === undefined
      ? `${path} holds no key: make one by age-keygen -o ${path}`
      : 'what the Secret holds that the StoragePool names is no key: it is what age-keygen prints',
  );
}

/** Encrypts a file beside itself; gives the path. The plain one is the caller's to remove. */
export async function seal(
  tools: Tools,
  path: string,
  recipient: string,
  signal: AbortSignal,
): Promise<string> {
  const to = `${path}${sealedSuffix}`;
  const argv = ['age', '--encrypt', '--recipient', recipient, '--output', to, path];
  await tools.run(argv, { signal, timeoutMs: wholeVolumeMs });
  return to;
}

/** Decrypts a part to `to`. Throws ReasonedError KeyMissing, KeyWrong, ArchiveBroken. */
export async function unseal(
  tools: Tools,
  { path, to, key, recipient }: { path: string; to: string; key: AgeKey | undefined; recipient: string },
  signal: AbortSignal,
): Promise<void> {
  const identity = await identityOf(key);
  if ((await publicHalf(tools, identity)) !== recipient) {
    const message = `the archive was encrypted for ${recipient}, and the key that this host has for the pool is another: have that key where backupKey says`;
    throw new ReasonedError('KeyWrong', message, { stalled: true });
  }
  const argv = ['age', '--decrypt', '--identity', identity.path, '--output', to, path];
  const input = identity.input === undefined ? {} : { input: identity.input };
  try {
    await tools.run(argv, { signal, timeoutMs: wholeVolumeMs, ...input });
  } catch (error) {
    if (!(error instanceof ReasonedError) || error.reason !== 'StorageFailed') throw error;
    throw new ReasonedError('ArchiveBroken', `a part cannot be decrypted: ${error.message}`, {
      stalled: true,
    });
  }
}

function keyMissing(why: string): ReasonedError {
  return new ReasonedError('KeyMissing', `${why}, which encrypted backups need`, { stalled: true });
}
