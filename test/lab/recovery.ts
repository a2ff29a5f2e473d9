/** How long each part of a recovery takes, from a power cut to the first write elsewhere: what a person reads in the end, with a verdict. */
import { stat } from 'node:fs/promises';
import { type Figure, printFigures } from '../bench/measure.ts';
import type { Availability } from './availability.ts';
import type { Guest } from './guests.ts';
import { lastOn } from './writer.ts';

/** From the power cut to the first write: the renewal before it, suspicion, fence, start and boot, the machine to itself. */
const AIM_S = 13;
const LOOK_MS = 50;
const LIMIT_MS = 90_000;

export type Recovery = {
  /** Resolves with how long the process elsewhere took, ms, once the machine has written there, and prints all. */
  ends(): Promise<number>;
};

/** Begins to count: the power is cut next. `before` is the boot of the machine that has written until then. */
export async function watchRecovery(
  ha: Availability,
  guest: Guest,
  { host, before }: { host: string; before: string },
): Promise<Recovery> {
  const disk = await guest.dataDisk();
  const isChanged = watchFile(disk);
  const begun = performance.now();
  const parts: [name: string, isReached: () => Promise<boolean>][] = [
    ['its host is suspected', async () => (await ha.haOf(host))?.ha?.state !== 'Online'],
    ['is being fenced', async () => /Fenc/.test((await ha.haOf(host))?.ha?.state ?? '')],
    ['is proven dead', async () => (await ha.haOf(host))?.ha?.proof !== undefined],
    ['another host is chosen', async () => (await guest.host()) !== host],
    ['the process is there', async () => (await guest.instances()).some((one) => one.host !== host)],
    ['it writes', async () => (await isChanged()) && ((await lastOn(disk))?.boot ?? before) !== before],
  ];
  return {
    ends: async () => {
      const figures: Figure[] = [];
      const times: number[] = [];
      for (const [name, isReached] of parts) {
        while (!(await isReached().catch(() => false))) {
          if (performance.now() - begun > LIMIT_MS) throw new Error(`never came to pass: ${name}`);
          await new Promise((next) => setTimeout(next, LOOK_MS));
        }
        times.push(performance.now() - begun);
        figures.push({ name: `power cut, until ${name}`, ours: (times.at(-1) ?? 0) / 1_000, unit: 's' });
      }
      const last = figures.pop();
      printFigures([...figures, ...(last === undefined ? [] : [{ ...last, aim: AIM_S }])]);
      return times[4] ?? Number.NaN;
    },
  };
}

/** Whether it was written since it was asked last: to read the guest's records each time would take a good part of a processor from what boots. */
function watchFile(path: string): () => Promise<boolean> {
  let seen = 0;
  return async () => {
    const { mtimeMs } = await stat(path);
    const isNew = mtimeMs !== seen;
    seen = mtimeMs;
    return isNew;
  };
}
