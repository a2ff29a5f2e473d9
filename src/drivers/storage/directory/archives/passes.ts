/**
 * Saves a tree that changes into one tar file in two passes, without copying it first: the first while its guest runs, the second, of what
 * has changed, while it stands still. Of entries of one name the last counts (tar(1), --ignore-zeros); what a tar cannot say is that
 * something of the first pass has gone since, and then the caller is told so.
 */
import { ReasonedError } from '../../../../base/outcome.ts';
import { dotsOfWriter } from '../following.ts';
import type { PoolRoom } from '../room.ts';
import { type Tools, wholeVolumeMs } from '../tools.ts';
import { type Pace, type Tree, treeArguments, type Watch } from './parts.ts';

/** Clocks of file systems run in ticks: what is as young as this may be written again with the same time. */
const tickMs = 1_000;

/** Where the passes write: the part, and files beside it whose names begin with `lists`. */
export type PassFiles = { file: string; lists: string };

/** The first pass; false: the tree changes so that tar gives up on it. Throws ReasonedError PoolFull. */
export async function firstPass(
  { tools, world, flush }: Pick<PoolRoom, 'tools' | 'world' | 'flush'>,
  tree: Tree,
  { file, lists }: PassFiles,
  pace: Pace,
  watch: Watch,
): Promise<boolean> {
  const { signal } = pace;
  const packed = `${lists}.packed`;
  const since = (world.clock.now() - tickMs) / 1_000;
  // A page that a program maps and has changed already may change again without a new time, until the kernel has written it.
  await flush();
  const before = `${lists}.before`;
  const spoken = ['--verbose', '--quoting-style=literal', `--index-file=${packed}`];
  const argv = [...(await treeArguments(tools, tree, `${lists}.ids`, pace)), ...spoken];
  // What changes meanwhile is younger than `since` whenever it is looked at, and what moves is found out by the second pass.
  const look = async () => {
    await find(tools, tree.path, ['!', '-newerct', `@${since}`], { entries: before }, signal);
    await sort(tools, ['-z'], before, signal);
  };
  // Both have ended before anybody writes these files anew.
  const endWatch = watchDots({ tools, world }, packed, pace, watch);
  const ends = await Promise.allSettled([
    runThough(tools, [...argv, '--file', file, '--directory', tree.path, '.'], signal).finally(endWatch),
    look(),
  ]);
  const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  const isGivenUp = (error: unknown) => error instanceof ReasonedError && error.reason === 'StorageFailed';
  if (!errors.every(isGivenUp)) throw errors.find((error) => !isGivenUp(error));
  if (errors.length > 0) return false;
  await dropDots(tools, packed, signal);
  return true;
}

/** How often a tar that also tells names is asked how far it is. */
const lookMs = 5_000;

/** Looks now and then how many dots there are, until the function that is given back is called. */
function watchDots(
  { tools, world }: Pick<PoolRoom, 'tools' | 'world'>,
  list: string,
  { bytesPerSecond, signal }: Pace,
  { follow, totalBytes }: Watch,
): () => void {
  if (follow === undefined) return () => {};
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  const look = async () => {
    for (;;) {
      await world.clock.sleep(lookMs, until);
      const dots = await countDots(tools, list, until);
      const total = totalBytes();
      if (total === undefined || until.aborted) continue;
      follow({ doneBytes: dots * dotsOfWriter(bytesPerSecond).bytes, totalBytes: total });
    }
  };
  // How far it is is only told: nothing depends on it.
  look().catch(() => {});
  return () => over.abort();
}

/** Dots stand before names, which begin with `./`, and behind the last name. By a program: of a million names the list is long. */
async function countDots(tools: Tools, list: string, signal: AbortSignal): Promise<number> {
  const script = 's|^([.]+)$|\\1.|p; t; s|^([.]{2,})/.*|\\1|p';
  const { stdout } = await tools.run(['sed', '--quiet', '--regexp-extended', script, list], { signal });
  return stdout.split('\n').reduce((sum, run) => sum + Math.max(0, run.length - 1), 0);
}

/** So that the list holds names and nothing else. */
async function dropDots(tools: Tools, list: string, signal: AbortSignal): Promise<void> {
  const script = 's|^[.]{2,}/|./|; s|^[.]+$||';
  await tools.run(['sed', '--in-place', '--regexp-extended', script, list], { signal });
}

/** The second pass, nobody writes to the tree; false: something that was packed has gone, or what was not is not new. `appendPass` follows when the guest goes on. */
export async function secondPass(
  tools: Tools,
  tree: Tree,
  { lists }: PassFiles,
  pace: Omit<Pace, 'bytesPerSecond'>,
): Promise<boolean> {
  const { signal } = pace;
  const to = { entries: `${lists}.after`, names: `${lists}.names` };
  const sortFound = async () => {
    await find(tools, tree.path, [], to, signal);
    await Promise.all([sort(tools, ['-z'], to.entries, signal), sort(tools, [], to.names, signal)]);
  };
  await Promise.all([sortFound(), sort(tools, [], `${lists}.packed`, signal)]);
  const onlyIn = (option: '-13' | '-23', zero: readonly string[], a: string, b: string) =>
    tools.run(['comm', option, ...zero, a, b], { signal, env: bytewise });
  const [gone, come, changed] = await Promise.all([
    onlyIn('-23', [], `${lists}.packed`, `${lists}.names`),
    onlyIn('-13', [], `${lists}.packed`, `${lists}.names`),
    onlyIn('-13', ['-z'], `${lists}.before`, `${lists}.after`),
  ]);
  if (gone.stdout.split('\n').some((name) => name !== '' && name !== './')) return false;
  // A name that is no UTF-8 cannot be told on.
  if (changed.stdout.includes('\ufffd')) return false;
  const names = withParents(changed.stdout);
  // A directory that was elsewhere for a moment may have been missed by the first pass, although nothing in it has another time.
  const taken = new Set(names);
  if (come.stdout.split('\n').some((name) => name !== '' && !taken.has(name.replace(/\/$/, ''))))
    return false;
  const argv = await treeArguments(tools, tree, `${lists}.ids`, { ...pace, bytesPerSecond: undefined });
  // The host itself may write to the tree although its guest stands still: then a file is as long as when it was looked at.
  await runThough(
    tools,
    [
      ...[...argv, '--no-recursion', '--file', `${lists}.rest`, '--directory', tree.path],
      ...['--null', '--verbatim-files-from', '--files-from=-'],
    ],
    signal,
    names.join('\0'),
  );
  return true;
}

/** Puts what the second pass has packed behind the first: files of tar, zstd and gzip may follow each other. */
export async function appendPass(
  tools: Tools,
  { file, lists }: PassFiles,
  signal: AbortSignal,
): Promise<void> {
  await tools.run(
    ['dd', `if=${lists}.rest`, `of=${file}`, 'oflag=append', 'conv=notrunc', 'bs=1M', 'status=none'],
    { signal, timeoutMs: wholeVolumeMs },
  );
}

/** Sorted by bytes, as comm compares them. */
const bytewise = { LC_ALL: 'C' };

/**
 * What is in the tree: `entries` with what changes when anything of an entry does, which a guest cannot set (inode, time of change),
 * `names` as tar tells them, which leaves out sockets.
 */
async function find(
  tools: Tools,
  path: string,
  only: readonly string[],
  { entries, names }: { entries: string; names?: string },
  signal: AbortSignal,
): Promise<void> {
  const told = (file: string) => [
    ...['(', '-type', 'd', '-fprintf', file, './%P/\\n', '-o', '-type', 's'],
    ...['-o', '-fprintf', file, './%P\\n', ')'],
  ];
  await tools.run(
    [
      ...['find', path, '-xdev', '-mindepth', '1', ...only],
      ...['-fprintf', entries, './%P\\t%y %i %C@\\0', ...(names === undefined ? [] : told(names))],
    ],
    { signal, timeoutMs: wholeVolumeMs },
  );
}

async function sort(tools: Tools, zero: readonly string[], file: string, signal: AbortSignal): Promise<void> {
  await tools.run(['sort', ...zero, '-o', file, file], { signal, env: bytewise });
}

/** Names out of entries, each with the directories it lies in: unpacking a file changes the time of its directory, which is put right again. */
function withParents(entries: string): string[] {
  const names = new Set<string>(['.']);
  for (const entry of entries.split('\0')) {
    const name = entry.slice(0, entry.lastIndexOf('\t'));
    for (let end = name.indexOf('/', 2); end !== -1; end = name.indexOf('/', end + 1))
      names.add(name.slice(0, end));
    if (name !== '') names.add(name);
  }
  return [...names].sort();
}

/** Files that change or vanish while they are read are no wonder: tar says 1 then. */
async function runThough(
  tools: Tools,
  argv: readonly string[],
  signal: AbortSignal,
  told = '',
): Promise<void> {
  await tools.pipe(argv, { signal, harmless: [1] }, async ({ input, output }) => {
    input.end(told);
    for await (const _ of output);
  });
}
