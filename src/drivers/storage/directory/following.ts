/** Has programs that go over a whole volume say how far they are: on their standard output, for which they have no other use. */
import type { Follower } from '../contract.ts';
import type { Tools } from './tools.ts';

/** What tar writes at once: a tree of small files takes longer by its own twenty blocks, 10 KiB. */
export const RECORD_BLOCKS = 128;
const RECORD_BYTES = RECORD_BLOCKS * 512;
/** Dots are as far apart: of what tar reads or writes, before it is compressed. */
const DOT_BYTES = 16 * 1024 * 1024;

/** How tar makes dots, and what it has been through with each. */
type Dots = { argv: readonly string[]; bytes: number };

/** For a tar that writes records of RECORD_BLOCKS. With `bytesPerSecond` it rests for a second after as many: it has no better way (tar(1), checkpoints count records, and are all as far apart). */
export function dotsOfWriter(bytesPerSecond?: number): Dots {
  const records = Math.max(1, Math.floor((bytesPerSecond ?? DOT_BYTES) / RECORD_BYTES));
  const rest = bytesPerSecond === undefined ? [] : ['--checkpoint-action=sleep=1'];
  return {
    argv: [`--checkpoint=${records}`, '--checkpoint-action=dot', ...rest],
    bytes: records * RECORD_BYTES,
  };
}

/** For a tar that reads, by its own twenty blocks. */
export function dotsOfReader(): Dots {
  const records = Math.floor(DOT_BYTES / 10_240);
  return { argv: [`--checkpoint=${records}`, '--checkpoint-action=dot'], bytes: records * 10_240 };
}

type Followed = {
  /** As far as it is known by then. */
  totalBytes(): number | undefined;
  follow: Follower | undefined;
  signal: AbortSignal;
};

/** Runs a tar that makes dots and says nothing else. */
export async function runDotted(
  tools: Tools,
  argv: readonly string[],
  dots: Dots,
  { totalBytes, follow, signal }: Followed,
): Promise<void> {
  let said = 0;
  await hear(tools, argv, signal, (text) => {
    said += text.length;
    const total = totalBytes();
    if (total !== undefined) follow?.({ doneBytes: said * dots.bytes, totalBytes: total });
  });
}

/** Runs a `qemu-img` that is given -p: it says `(12.34/100%)` again and again. */
export async function runWithPercent(
  tools: Tools,
  argv: readonly string[],
  { totalBytes, follow, signal }: Followed,
): Promise<void> {
  await hear(tools, argv, signal, (text) => {
    const percent = Number([...text.matchAll(/\(([0-9.]+)\/100%\)/g)].at(-1)?.[1]);
    const total = totalBytes();
    if (percent >= 0 && total !== undefined)
      follow?.({ doneBytes: Math.round((total * percent) / 100), totalBytes: total });
  });
}

function hear(
  tools: Tools,
  argv: readonly string[],
  signal: AbortSignal,
  heard: (text: string) => void,
): Promise<void> {
  return tools.pipe(argv, { signal }, async ({ input, output }) => {
    input.end();
    for await (const chunk of output) heard(String(chunk));
  });
}
