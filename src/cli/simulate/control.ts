/** What a scenario lets happen to managers and to the API. */
import { parseDuration } from '../../base/duration.ts';
import type { Cluster } from './cluster.ts';
import type { Entry } from './scenario.ts';

/** One word of the timeline: the fields it needs, those it may have, and what it does. */
export type Deed<T> = {
  needs?: readonly (keyof Entry)[];
  may?: readonly (keyof Entry)[];
  run(subject: T, entry: Entry, cluster: Cluster): void;
};

/** By the word. */
export const MANAGER_DEEDS: Readonly<Record<string, Deed<string>>> = {
  Stop: { run: (name, _entry, { managers }) => managers.get(name)?.stop() },
  Start: { run: (name, _entry, { managers }) => managers.get(name)?.begin() },
  Pause: {
    needs: ['for'],
    run: (name, entry, { managers }) => managers.get(name)?.pause(parseDuration(entry.for ?? '0s')),
  },
  Crash: { run: (name, _entry, cluster) => cluster.managerCrashed(name) },
  ApiDown: { run: (name, _entry, { managers }) => managers.get(name)?.setApi('Down') },
  ApiStale: { run: (name, _entry, { managers }) => managers.get(name)?.setApi('Stale') },
  ApiUp: { run: (name, _entry, { managers }) => managers.get(name)?.setApi('Up') },
};

/** By the word. */
export const API_DEEDS: Readonly<Record<string, Deed<undefined>>> = {
  Down: { run: (_subject, _entry, { api }) => setFaults(api, { down: true }) },
  Up: { run: (_subject, _entry, { api }) => setFaults(api, { down: false, crashAfter: undefined }) },
  Slow: {
    needs: ['for'],
    run: (_subject, entry, { api, schedule }) =>
      setFaults(api, { slowUntil: schedule.now() + parseDuration(entry.for ?? '0s') }),
  },
  // Whoever does the n-th write from now on crashes when it is done, before it hears so.
  CrashesCaller: {
    needs: ['nth'],
    run: (_subject, { nth }, { api }) => setFaults(api, { crashAfter: nth }),
  },
  // As it was so long before: what is kept then is written down in time by whoever runs the story.
  RollBack: {
    needs: ['by'],
    run: (_subject, entry, { api, backups }) => {
      const backup = backups.get(entry);
      if (backup !== undefined) api.restore(backup);
    },
  },
  LosesAnswers: {
    needs: ['for'],
    run: (_subject, entry, { api, schedule }) =>
      setFaults(api, { losesUntil: schedule.now() + parseDuration(entry.for ?? '0s') }),
  },
};

function setFaults({ faults }: Cluster['api'], change: Partial<Cluster['api']['faults']>): void {
  Object.assign(faults, change);
}
