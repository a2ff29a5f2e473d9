/**
 * Which 65,536 user and group ids of the host an unprivileged container gets. Ranges start at a place derived from the state directory, so
 * that two agents on one machine do not meet, and avoid what /etc/subuid and /etc/subgid give to others (subuid(5)).
 */
import { createHash } from 'node:crypto';
import type { Files } from '../base/files.ts';
import { ReasonedError } from '../base/outcome.ts';

/** Ids in one range. */
export const ID_RANGE_SIZE = 65_536;
const FIRST_ID = 1_000_000_000;
const SLOTS = 46;
const RANGES_PER_SLOT = 1_024;

export type IdRanges = {
  /** A free range's first id; taken until released. Throws ReasonedError IdRangesExhausted. */
  take(): number;
  /** Marks a range of a record as taken. */
  hold(base: number): void;
  release(base: number): void;
};

/** Reads the ranges others have, once. */
export async function openIdRanges(
  files: Pick<Files, 'readText'>,
  stateDirectory: string,
): Promise<IdRanges> {
  const foreign = [
    ...parseSubIds(await files.readText('/etc/subuid')),
    ...parseSubIds(await files.readText('/etc/subgid')),
  ];
  const slot = createHash('sha256').update(stateDirectory).digest().readUInt16BE(0) % SLOTS;
  const first = FIRST_ID + slot * RANGES_PER_SLOT * ID_RANGE_SIZE;
  const isFree = (base: number) =>
    foreign.every(({ start, count }) => base + ID_RANGE_SIZE <= start || base >= start + count);
  const taken = new Set<number>();
  return {
    take: () => {
      for (let index = 0; index < RANGES_PER_SLOT; index += 1) {
        const base = first + index * ID_RANGE_SIZE;
        if (taken.has(base) || !isFree(base)) continue;
        taken.add(base);
        return base;
      }
      const message = `all ${RANGES_PER_SLOT} id ranges of this agent are in use or given to others in /etc/subuid`;
      throw new ReasonedError('IdRangesExhausted', message, { stalled: true });
    },
    hold: (base) => void taken.add(base),
    release: (base) => void taken.delete(base),
  };
}

/** Lines `user:first:count`. */
function parseSubIds(text: string | undefined): { start: number; count: number }[] {
  return (text ?? '')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([, start, count]) => ({ start: Number(start), count: Number(count) }))
    .filter(({ start, count }) => Number.isSafeInteger(start) && Number.isSafeInteger(count));
}
