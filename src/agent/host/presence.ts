/** Which guests of this host have a process, as last seen, and which no object of the API stands for. */
import { type Announcement, createAnnouncement } from '../announcement.ts';

export type Presence = {
  isRunning(id: string): boolean;
  setRunning(id: string, running: boolean): void;
  /** Guests with a record or a process here that no object stands for: shown, never destroyed. */
  orphans(): readonly string[];
  /** `name` is for people. */
  setOrphan(id: string, name: string | undefined): void;
  readonly changed: Announcement<string>;
};

/** Nothing has been seen yet. */
export function createPresence(): Presence {
  const running = new Set<string>();
  const orphans = new Map<string, string>();
  const changed = createAnnouncement<string>();
  return {
    changed,
    isRunning: (id) => running.has(id),
    setRunning: (id, isRunning) => {
      if (running.has(id) === isRunning) return;
      if (isRunning) running.add(id);
      else running.delete(id);
      changed.tell(id);
    },
    orphans: () => [...orphans.values()].sort(),
    setOrphan: (id, name) => {
      if (orphans.get(id) === name) return;
      if (name === undefined) orphans.delete(id);
      else orphans.set(id, name);
      changed.tell(id);
    },
  };
}
