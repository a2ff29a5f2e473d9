/**
 * How rsync copies a tree here: the source runs its daemon over standard input and output, shut into the tree (chroot) because a container
 * that still runs may put links anywhere; the target runs the client, which can only connect to a port of its own host, or to a daemon that it
 * starts itself, and proves itself there by a password of one copy. rsync(1), rsyncd.conf(5).
 */
import { ReasonedError } from '../../../base/outcome.ts';
import type { PoolRoom } from './room.ts';

const user = 'vireo';

/** Partial transfer, and files that vanished (rsync(1)): no wonder while the guest runs; the last pass copies what is missing. */
export const whileItRuns: readonly number[] = [23, 24];

/** Runs `deed` with a hidden directory for the files of one copy. */
export async function withWorkplace<T>(
  room: PoolRoom,
  id: string,
  deed: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = room.partialPath(id);
  try {
    await room.world.files.makeDirectory(directory, { mode: 0o700, fleeting: true });
    return await deed(directory);
  } finally {
    await room.removeTree(directory);
  }
}

/** A password of one copy. */
export function makeSecret(room: PoolRoom): string {
  return Buffer.from(room.world.random.bytes(24)).toString('hex');
}

/** Command line of the daemon that serves `root` for reading to whoever knows `secret`. */
export async function daemonFor(
  room: PoolRoom,
  directory: string,
  root: string,
  secret: string,
): Promise<string[]> {
  const { files } = room.world;
  if (/[%\\#;\p{Cc}]/u.test(root)) {
    const message = `rsync cannot serve ${JSON.stringify(root)}: keep %, \\, # and ; out of the path of the pool ${room.name}`;
    throw new ReasonedError('PathUnsupported', message, { stalled: true });
  }
  const isRoot = (await files.stat(directory))?.uid === 0;
  const config = [
    `log file = ${directory}/log`,
    `use chroot = ${isRoot ? 'yes' : 'no'}`,
    ...(isRoot ? ['uid = 0', 'gid = 0'] : []),
    'numeric ids = yes',
    'munge symlinks = no',
    'reverse lookup = no',
    '[volume]',
    `path = ${root}`,
    'read only = yes',
    `auth users = ${user}`,
    `secrets file = ${directory}/secret`,
  ];
  await files.writeAtomic(`${directory}/secret`, `${user}:${secret}\n`, { mode: 0o600 });
  await files.writeAtomic(`${directory}/rsyncd.conf`, `${config.join('\n')}\n`, { mode: 0o600 });
  return ['rsync', '--server', '--daemon', `--config=${directory}/rsyncd.conf`, '.'];
}

/**
 * Makes `to` equal to the tree `from` beside it, with everything that belongs to a file. RSYNC_CONNECT_PROG is a line for a shell, which
 * gets the path by its environment.
 */
export async function copyBeside(
  room: PoolRoom,
  { id, from, to }: { id: string; from: string; to: string },
  {
    signal,
    bytesPerSecond,
    heard,
  }: { signal: AbortSignal; bytesPerSecond: number | undefined; heard?: (percent: number) => void },
): Promise<void> {
  const secret = makeSecret(room);
  await withWorkplace(room, id, async (directory) => {
    await daemonFor(room, directory, from, secret);
    const daemon = 'exec rsync --server --daemon --config="$VIREO_RSYNCD" .';
    const environment = [`VIREO_RSYNCD=${directory}/rsyncd.conf`, `RSYNC_CONNECT_PROG=${daemon}`];
    const rate = bytesPerSecond === undefined ? [] : [`--bwlimit=${Math.ceil(bytesPerSecond / 1024)}`];
    const client = await clientFor(room, directory, { root: to, port: 873, secret }, [
      ...rate,
      '--info=progress2',
    ]);
    await room.tools.pipe(
      ['env', ...environment, ...client],
      { signal, harmless: whileItRuns },
      async ({ input, output }) => {
        input.end();
        for await (const chunk of output) {
          const percent = [...String(chunk).matchAll(/(\d+)%/g)].at(-1)?.[1];
          if (percent !== undefined) heard?.(Number(percent));
        }
      },
    );
  });
}

/**
 * Command line of the client that makes `root` equal to what is served on `port`. Times are compared to the nanosecond: two writes of one
 * second are two. Files are never changed in place: a second name of the old content would change with it.
 */
export async function clientFor(
  room: PoolRoom,
  directory: string,
  { root, port, secret }: { root: string; port: number; secret: string },
  more: readonly string[] = [],
): Promise<string[]> {
  await room.world.files.writeAtomic(`${directory}/password`, `${secret}\n`, { mode: 0o600 });
  return [
    ...['rsync', '-aHAX', '--numeric-ids', '--sparse', '--delete', '--one-file-system'],
    ...['--modify-window=-1', '--no-motd', `--password-file=${directory}/password`, ...more],
    ...[`rsync://${user}@127.0.0.1:${port}/volume/`, `${root}/`],
  ];
}

/** Files get their times from a clock that is set now and then, and is some milliseconds behind. */
const CLOCK_DOUBT_MS = 1_000;

/**
 * Makes rsync look into all files of `root` that were changed since `sinceMs`. A page that a program maps into its memory can be written
 * again without a new time as long as the kernel has not written it back, so equal times prove nothing for them.
 */
export async function doubtSince(room: PoolRoom, root: string, sinceMs: number): Promise<void> {
  const since = `@${(sinceMs - CLOCK_DOUBT_MS) / 1_000}`;
  const argv = ['find', root, '-xdev', '-type', 'f', '-newermt', since];
  await room.tools.run([...argv, '-exec', 'touch', '-c', '-m', '-d', '@0', '{}', '+']);
}
