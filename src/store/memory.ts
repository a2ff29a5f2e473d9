/** The store in memory: for tests and simulations, nothing survives the process. */
import type { Store } from './contract.ts';
import { createEngine } from './engine.ts';
import { createHistory } from './history.ts';

/** Makes an empty store whose revision is 1. */
export function createMemoryStore(): Store {
  const journal = { append: async () => {}, trim: async () => {}, close: async () => {} };
  return createEngine(journal, createHistory([], 1));
}
