/** What is said of a transfer while it goes on, and how often. */
import type { SourceStage } from './decide.ts';
import type { SourceMemory } from './facts.ts';
import type { SourceSays } from './status.ts';

/** Progress is written when it has moved by this share, but not more often than this, or after so long. */
const NEWS_SHARE = 0.01;
const NEWS_EVERY_MS = 1_000;
const NEWS_AFTER_MS = 5_000;

/** Few writes: each is a change that every watcher sees, and takes time from the sending. */
export function news(
  { transferredBytes, remainingBytes }: { transferredBytes: number; remainingBytes: number },
  memory: Pick<SourceMemory, 'written'>,
  now: number,
  stage: SourceStage,
  phase: string | undefined,
): SourceSays | undefined {
  const { written } = memory;
  const share =
    Math.abs(transferredBytes - (written?.transferredBytes ?? 0)) / (transferredBytes + remainingBytes + 1);
  const sinceMs = now - (written?.at ?? Number.NEGATIVE_INFINITY);
  const isDue = sinceMs >= NEWS_AFTER_MS || (share > NEWS_SHARE && sinceMs >= NEWS_EVERY_MS);
  if (phase === stage && (!isDue || written?.transferredBytes === transferredBytes)) return undefined;
  memory.written = { transferredBytes, at: now };
  const message =
    stage === 'Copying' ? 'disks and memory are being sent' : 'memory that changes is being sent';
  return { stage, message, progress: { transferredBytes, remainingBytes } };
}
