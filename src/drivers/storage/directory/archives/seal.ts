/**
 * Encrypts the parts of an archive and opens them again by age (https://age-encryption.org/v1, age(1)). Only paths are told to the programs:
 * the key stays in the file of the host's owner.
 */
import { ReasonedError } from '../../../../base/outcome.ts';
import { type Tools, wholeVolumeMs } from '../tools.ts';

/** What is appended to the name of an encrypted part. */
export const sealedSuffix = '.age';

/** The public half of the key in the file, `age1...`. Throws ReasonedError KeyMissing. */
export async function recipientOf(tools: Tools, key: string | undefined): Promise<string> {
  if (key === undefined) throw keyMissing('this host has no backupKey in its agent.yaml');
  try {
    const { stdout } = await tools.run(['age-keygen', '-y', key]);
    const [recipient] = /^age1[0-9a-z]+$/m.exec(stdout) ?? [];
    if (recipient !== undefined) return recipient;
  } catch (error) {
    if (!(error instanceof ReasonedError) || error.reason === 'ToolMissing') throw error;
  }
  throw keyMissing(`${key} holds no key: make one by age-keygen -o ${key}`);
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
  { path, to, key, recipient }: { path: string; to: string; key: string | undefined; recipient: string },
  signal: AbortSignal,
): Promise<void> {
  const own = await recipientOf(tools, key);
  if (own !== recipient || key === undefined) {
    const message = `the archive was encrypted for ${recipient}, and the key of this host is another: have that key in the file that backupKey names`;
    throw new ReasonedError('KeyWrong', message, { stalled: true });
  }
  const argv = ['age', '--decrypt', '--identity', key, '--output', to, path];
  try {
    await tools.run(argv, { signal, timeoutMs: wholeVolumeMs });
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
