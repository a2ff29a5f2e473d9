/**
 * Host ids for unprivileged containers. newuidmap(1), which LXC calls wherever it is installed, maps for root only what /etc/subuid and
 * /etc/subgid grant root. Our grants are marked, so that exactly they are taken back and a line of the administrator's never is.
 */
import { basename } from 'node:path/posix';
import { ReasonedError } from '../../../base/outcome.ts';
import type { World } from '../../../base/world.ts';

export type IdRange = { base: number; count: number };

export type IdRangeWorld = Pick<World, 'files' | 'clock'>;

const grantFiles = ['/etc/subuid', '/etc/subgid'] as const;
const lockTimeoutMs = 15_000;

/** Grants root the range unless our grant is there already. Other lines stay as they are. */
export async function ensureIdRange(world: IdRangeWorld, range: IdRange): Promise<void> {
  const line = grant(range);
  const add = (text: string) => {
    const ended = text === '' || text.endsWith('\n') ? text : `${text}\n`;
    return text.includes(line) ? text : `${ended}${line}`;
  };
  await Promise.all(grantFiles.map((path) => change(world, path, range, add)));
}

/** Takes our grant of this range back; none there is no error. */
export async function removeIdRange(world: IdRangeWorld, range: IdRange): Promise<void> {
  const line = grant(range);
  await Promise.all(
    grantFiles.map((path) => change(world, path, range, (text) => text.replaceAll(line, ''))),
  );
}

/** A comment is a line without meaning to subuid(5), and names the one behind it as ours. */
function grant({ base, count }: IdRange): string {
  return `# vireo: the next line is Vireo's\nroot:${base}:${count}\n`;
}

/** Reads and writes under the lock that useradd and usermod take too: many containers start at once, and none may lose its grant. */
async function change(
  world: IdRangeWorld,
  path: string,
  range: IdRange,
  edit: (text: string) => string,
): Promise<void> {
  const { files } = world;
  const seen = (await files.readText(path)) ?? '';
  if (edit(seen) === seen) return;
  const pid = (await files.readLink('/proc/self')) ?? '0';
  const owner = `/run/vireo-${basename(path)}-${pid}-${range.base}`;
  await files.writeAtomic(owner, pid, { mode: 0o600 });
  try {
    await lock(world, path, owner);
    try {
      const mode = ((await files.stat(path))?.mode ?? 0o644) & 0o777;
      await files.writeAtomic(path, edit((await files.readText(path)) ?? ''), { mode });
    } finally {
      await files.remove(`${path}.lock`);
    }
  } finally {
    await files.remove(owner);
  }
}

/**
 * The lock of shadow's own tools (lib/commonio.c): a file `<path>.lock` with the holder's pid, void when that process is gone. Ours is a
 * link to a file with our pid, because a link is made or refused in one step.
 */
async function lock({ files, clock }: IdRangeWorld, path: string, owner: string): Promise<void> {
  const until = clock.monotonic() + lockTimeoutMs;
  for (let waitMs = 4; ; waitMs = Math.min(waitMs * 2, 32)) {
    const refused = await files.symlink(owner, `${path}.lock`).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (refused === undefined) return;
    const holder = await holderOf(files, `${path}.lock`);
    if (clock.monotonic() > until) {
      throw new ReasonedError('IdFileLocked', `${path}.lock is held by process ${holder?.pid}`, {
        cause: refused,
      });
    }
    if (holder !== undefined && (await isGone(files, holder)))
      await removeLeft(files, `${path}.lock`, holder);
    await clock.sleep(waitMs);
  }
}

/** `mark` tells one holding of the lock from the next. */
type Holder = { pid: number; mark: string };

/** Undefined when nobody holds it. A pid that is no number: the link of ours leads nowhere, because we died while removing it. */
async function holderOf(files: World['files'], path: string): Promise<Holder | undefined> {
  const target = await files.readLink(path).catch(() => undefined);
  const text = await files.readText(target ?? path);
  if (target === undefined && text === undefined) return undefined;
  return { pid: Number.parseInt(text ?? '', 10), mark: `${target} ${text}` };
}

async function isGone(files: World['files'], { pid }: Holder): Promise<boolean> {
  return Number.isNaN(pid) || (await files.stat(`/proc/${pid}`)) === undefined;
}

/** Only the very lock that was looked at: another waiter may have taken it over by now. */
async function removeLeft(files: World['files'], path: string, seen: Holder): Promise<void> {
  if ((await holderOf(files, path))?.mark === seen.mark) await files.remove(path);
}
