/** The store in memory: for tests and simulations, nothing survives the process. */
import type { Store } from './contract.ts';
import { createEngine } from './engine.ts';
import type { CommitRecord, Journal } from './journal.ts';

/** Makes an empty store whose revision is 1. */
export function createMemoryStore(): Store {
  return createEngine(createMemoryJournal(), { entries: [], revision: 1, compactedRevision: 0 });
}

function createMemoryJournal(): Journal {
  let commits: CommitRecord[] = [];
  return {
    append: async (batch) => {
      commits.push(...batch);
    },
    *commitsAfter(revision) {
      yield* commits.slice(firstAfter(commits, revision));
    },
    trim: async (revision) => {
      commits = commits.slice(firstAfter(commits, revision));
    },
    close: async () => {},
  };
}

/** Revisions have no gaps, so the place follows from the first one. */
function firstAfter(commits: readonly CommitRecord[], revision: number): number {
  const first = commits[0];
  return first === undefined ? 0 : Math.max(0, revision - first.revision + 1);
}
