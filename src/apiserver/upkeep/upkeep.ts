/** What the server's own controllers share. */
import type { WriteOptions } from '../registry/context.ts';

/** A running controller. */
export type Upkeep = { close(): Promise<void> };

/** How the server writes by itself. */
export const internalWrite: WriteOptions = {
  dryRun: false,
  fieldManager: 'apiserver',
  fieldValidation: 'Ignore',
  warn: () => {},
};
