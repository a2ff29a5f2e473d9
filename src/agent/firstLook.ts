/**
 * The first look around after a start: guests are judged only when the control plane has spoken and the pools have been opened, or have had
 * their time. Else each restart of an agent would show its guests as not Ready for a moment, and write that down a thousand times.
 */
import type { Clock } from '../base/clock.ts';
import type { Announcement } from './announcement.ts';

/** Longest wait: what is not there by then is reported as missing. */
export const FIRST_LOOK_MS = 5_000;

export type FirstLookOptions = {
  clock: Pick<Clock, 'after'>;
  /** Everything is there. Asked again after each announcement, and when `synced` resolves. */
  isComplete(): boolean;
  synced: Promise<void>;
  changed: readonly Pick<Announcement<unknown>, 'listen'>[];
};

/** Resolves once; never rejects. */
export async function firstLook({ clock, isComplete, synced, changed }: FirstLookOptions): Promise<void> {
  await synced.catch(() => undefined);
  await new Promise<void>((resolve) => {
    const ends: (() => void)[] = [];
    const finish = () => {
      for (const end of ends.splice(0)) end();
      resolve();
    };
    const look = () => {
      if (isComplete()) finish();
    };
    ends.push(clock.after(FIRST_LOOK_MS, finish), ...changed.map((part) => part.listen(look)));
    look();
  });
}
