/**
 * Which 65,536 user and group ids of the host an unprivileged container gets. An agent has one block of ranges, chosen once, remembered in its
 * state directory and granted to root as a whole, so that starting a container writes nothing outside of it. subuid(5)
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Files } from '../base/files.ts';
import { ReasonedError } from '../base/outcome.ts';

/** Ids in one range. */
export const ID_RANGE_SIZE = 65_536;
/** Holds the first id of the agent's block, in its state directory. */
export const ID_BLOCK_FILE = 'id-block';
const FIRST_ID = 1_000_000_000;
const BLOCKS = 46;
const RANGES_PER_BLOCK = 1_024;
const BLOCK_SIZE = RANGES_PER_BLOCK * ID_RANGE_SIZE;

export type IdBlock = { base: number; count: number };

export type IdRanges = {
  /** What has to be granted before a container of this agent can start. */
  readonly block: IdBlock;
  /** A free range's first id; taken until released. Throws ReasonedError IdRangesExhausted. */
  take(): number;
  /** Marks a range of a record as taken. */
  hold(base: number): void;
  release(base: number): void;
};

/** The agent's block: the remembered one, else the first that nobody was given, looked for from a place derived from the directory. */
export async function openIdRanges(
  files: Pick<Files, 'readText' | 'writeAtomic'>,
  stateDirectory: string,
): Promise<IdRanges> {
  const block =
    (await rememberedIdBlock(files, stateDirectory)) ?? (await chooseBlock(files, stateDirectory));
  const taken = new Set<number>();
  return {
    block,
    take: () => {
      for (let base = block.base; base < block.base + block.count; base += ID_RANGE_SIZE) {
        if (taken.has(base)) continue;
        taken.add(base);
        return base;
      }
      const message = `all ${RANGES_PER_BLOCK} id ranges of this agent are in use`;
      throw new ReasonedError('IdRangesExhausted', message, { stalled: true });
    },
    hold: (base) => void taken.add(base),
    release: (base) => void taken.delete(base),
  };
}

/** The block an agent of this directory has chosen before; undefined when none has. */
export async function rememberedIdBlock(
  files: Pick<Files, 'readText'>,
  stateDirectory: string,
): Promise<IdBlock | undefined> {
  const base = Number((await files.readText(blockFile(stateDirectory)))?.trim());
  const inside = base >= FIRST_ID && base < FIRST_ID + BLOCKS * BLOCK_SIZE;
  return inside && (base - FIRST_ID) % BLOCK_SIZE === 0 ? { base, count: BLOCK_SIZE } : undefined;
}

/** Written down before anything is granted or used, so that a crash in between chooses the same again. */
async function chooseBlock(
  files: Pick<Files, 'readText' | 'writeAtomic'>,
  stateDirectory: string,
): Promise<IdBlock> {
  const given = [
    ...parseSubIds(await files.readText('/etc/subuid')),
    ...parseSubIds(await files.readText('/etc/subgid')),
  ];
  const start = createHash('sha256').update(stateDirectory).digest().readUInt16BE(0) % BLOCKS;
  for (let step = 0; step < BLOCKS; step += 1) {
    const base = FIRST_ID + ((start + step) % BLOCKS) * BLOCK_SIZE;
    if (given.some(({ first, count }) => base < first + count && first < base + BLOCK_SIZE)) continue;
    await files.writeAtomic(blockFile(stateDirectory), `${base}\n`);
    return { base, count: BLOCK_SIZE };
  }
  const message = '/etc/subuid and /etc/subgid give every block of ids that containers could use to others';
  throw new ReasonedError('IdRangesExhausted', message, { stalled: true });
}

function blockFile(stateDirectory: string): string {
  return join(stateDirectory, ID_BLOCK_FILE);
}

/** Lines `user:first:count`. */
function parseSubIds(text: string | undefined): { first: number; count: number }[] {
  return (text ?? '')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([, first, count]) => ({ first: Number(first), count: Number(count) }))
    .filter(({ first, count }) => Number.isSafeInteger(first) && Number.isSafeInteger(count));
}
