/**
 * Host ids for unprivileged containers. newuidmap(1), which LXC calls wherever it is installed, maps for root only what /etc/subuid and
 * /etc/subgid grant root. Our grants are marked, so that exactly they are taken back and a line of the administrator's never is.
 */
import type { Files } from '../../../base/files.ts';

export type IdRange = { base: number; count: number };

const grantFiles = ['/etc/subuid', '/etc/subgid'] as const;

/** Grants root the range unless our grant is there already. Other lines stay as they are. */
export async function ensureIdRange(world: { files: Files }, range: IdRange): Promise<void> {
  for (const path of grantFiles) {
    const before = (await world.files.readText(path)) ?? '';
    if (before.includes(grant(range))) continue;
    const ended = before === '' || before.endsWith('\n') ? before : `${before}\n`;
    await replace(world.files, path, before, `${ended}${grant(range)}`);
  }
}

/** Takes our grant of this range back; none there is no error. */
export async function removeIdRange(world: { files: Files }, range: IdRange): Promise<void> {
  for (const path of grantFiles) {
    const before = (await world.files.readText(path)) ?? '';
    await replace(world.files, path, before, before.replaceAll(grant(range), ''));
  }
}

/** A comment is a line without meaning to subuid(5), and names the one behind it as ours. */
function grant({ base, count }: IdRange): string {
  return `# vireo: the next line is Vireo's\nroot:${base}:${count}\n`;
}

async function replace(files: Files, path: string, before: string, after: string): Promise<void> {
  if (before === after) return;
  const mode = (await files.stat(path))?.mode ?? 0o644;
  await files.writeAtomic(path, after, { mode: mode & 0o777 });
}
