/** Container root file systems as directories: copied, unpacked, checked, and shifted where the file system cannot map ids at mount. */
import type { Files } from '../../../base/files.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { Follower } from '../contract.ts';
import { dotsOfReader, runDotted } from './following.ts';
import type { Tools } from './tools.ts';

/** File systems with id-mapped mounts (mount_setattr(2), Linux 5.12 and 5.15), as LXC's `idmap=container` needs them. */
const idmappable = new Set(['ext4', 'btrfs', 'xfs']);
const lastContainerId = 65_535;

/** True when ids can stay 0-65535 on disk. Looks up the mount with the longest path that holds `path` (proc_pid_mountinfo(5)). */
export async function canMapIds(files: Files, path: string): Promise<boolean> {
  const real = (await files.realPath(path)) ?? path;
  const text = (await files.readText('/proc/self/mountinfo')) ?? '';
  let best = { point: '', type: '' };
  for (const line of text.split('\n')) {
    const [left, right] = line.split(' - ');
    const point = (left?.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const inside = point === '/' || real === point || real.startsWith(`${point}/`);
    if (point !== '' && inside && point.length >= best.point.length)
      best = { point, type: right?.split(' ')[0] ?? '' };
  }
  return idmappable.has(best.type);
}

/** Copies a tree with owners, modes, times, links and extended attributes; `to` must not exist. */
export async function copyTree(tools: Tools, from: string, to: string, signal: AbortSignal): Promise<void> {
  await tools.run(['cp', '-a', '--reflink=auto', '--', from, to], { signal });
}

/**
 * Unpacks a (compressed) archive that may be hostile: GNU tar keeps it inside `to`; attributes other than users' own and file
 * capabilities are left out, devices are removed (a privileged container could use them), ids above 65535 are refused.
 */
export async function unpackTree(tools: Tools, archive: string, to: string): Promise<void> {
  await tools.run(unpacking(archive, to));
  await checkTree(tools, to);
}

/** The same for a part of an archive, which may be two files of tar, one after the other. `totalBytes`: about what it unpacks to. */
export async function unpackArchived(
  tools: Tools,
  archive: string,
  to: string,
  { signal, follow, totalBytes }: { signal: AbortSignal; follow: Follower | undefined; totalBytes: number },
): Promise<void> {
  const dots = dotsOfReader();
  const argv = [...unpacking(archive, to), '--ignore-zeros', ...dots.argv];
  await runDotted(tools, argv, dots, { signal, follow, totalBytes: () => totalBytes });
  await checkTree(tools, to);
}

function unpacking(archive: string, to: string): string[] {
  return [
    ...['tar', '--numeric-owner', '--same-owner', '-p', '--sparse', '--acls', '--xattrs'],
    ...['--xattrs-include=user.*', '--xattrs-include=security.capability'],
    ...['--exclude=./dev/*', '--exclude=dev/*', '-xf', archive, '-C', to],
  ];
}

async function checkTree(tools: Tools, root: string): Promise<void> {
  const outside = ['-uid', `+${lastContainerId}`, '-o', '-gid', `+${lastContainerId}`];
  const found = await tools.run([
    ...['find', root, '-xdev', '(', '-type', 'b', '-o', '-type', 'c', ')', '-delete'],
    ...['-o', '(', ...outside, ')', '-printf', '%P\\n', '-quit'],
  ]);
  const bad = found.stdout.split('\n')[0] ?? '';
  if (bad === '') return;
  const message = `${bad} belongs to an id above ${lastContainerId}; pack the root file system with container ids`;
  throw new ReasonedError('ImageBroken', message, { stalled: true });
}

/** Bytes used by each tree, by one process. */
export async function measureTrees(tools: Tools, roots: readonly string[]): Promise<Map<string, number>> {
  if (roots.length === 0) return new Map();
  const result = await tools.run(['du', '-s', '-x', '--block-size=1', '--', ...roots]);
  return new Map(
    result.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(line.indexOf('\t') + 1), Number.parseInt(line, 10)]),
  );
}

/**
 * Adds `by` to every owner, or takes it away when it is negative. chown(2) clears set-uid bits, which are put back, and file capabilities, which are lost: programs that
 * rely on them (ping) need them set again inside the container.
 */
export async function shiftTree(
  tools: Tools,
  files: Files,
  root: string,
  by: number,
  signal: AbortSignal,
): Promise<void> {
  // Owners are changed one after the other: a shorter way would make one of them another that is still to come.
  if (Math.abs(by) <= lastContainerId)
    throw new ReasonedError('IdRangeInvalid', `ids of a container cannot be shifted by ${by}`);
  const owners = await tools.run(['find', root, '-xdev', '-printf', '%U %G\\n'], { signal });
  const special = await tools.run(
    ['find', root, '-xdev', '-type', 'f', '-perm', '/6000', '-printf', '%m %p\\0'],
    { signal },
  );
  for (const pair of new Set(owners.stdout.split('\n').filter((line) => line !== ''))) {
    const [uid = '0', gid = '0'] = pair.split(' ');
    const shifted = `${Number(uid) + by}:${Number(gid) + by}`;
    await tools.run(
      ['find', root, '-xdev', '-uid', uid, '-gid', gid, '-exec', 'chown', '-h', shifted, '{}', '+'],
      { signal },
    );
  }
  for (const entry of special.stdout.split('\0').filter((text) => text !== '')) {
    const space = entry.indexOf(' ');
    await files.chmod(entry.slice(space + 1), Number.parseInt(entry.slice(0, space), 8));
  }
}

/** The bytes a tree takes, and what is known of them by now. A container that removes files while du walks makes du fail: then it is not said. */
export function measureBeside(
  tools: Tools,
  { path }: { path: string },
): { bytes: Promise<number | undefined>; sofar(): number | undefined } {
  let known: number | undefined;
  const look = async () => {
    const sizes = await measureTrees(tools, [path]).catch(() => undefined);
    known = sizes?.get(path);
    return known;
  };
  return { bytes: look(), sofar: () => known };
}
