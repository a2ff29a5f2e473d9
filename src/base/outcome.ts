/** How a pass over one object ended: a closed set, mapped to the work queue in one place (runtime). */

export type Outcome =
  /** Nothing left to do until something changes. */
  | { type: 'done' }
  /** Come back after `afterMs`, or earlier when something watched changes; not an error. */
  | { type: 'waiting'; reason: string; message: string; afterMs: number }
  /** Only the user can help: no hot retry, looked at again on change or at resync. */
  | { type: 'stalled'; reason: string; message: string }
  /** Unexpected: retried with back-off. `reason` is a constant in CamelCase for the condition. */
  | { type: 'failed'; reason: string; message: string };

export const done: Outcome = { type: 'done' };

export function waiting(reason: string, message: string, afterMs = 10_000): Outcome {
  return { type: 'waiting', reason, message, afterMs };
}

export function stalled(reason: string, message: string): Outcome {
  return { type: 'stalled', reason, message };
}

export function failed(reason: string, message: string): Outcome {
  return { type: 'failed', reason, message };
}

/**
 * An error whose cause is known: drivers throw it with a constant reason and a message that says what to do.
 * `stalled` says that trying again without the user's help is useless.
 */
export class ReasonedError extends Error {
  readonly reason: string;
  readonly stalled: boolean;

  constructor(reason: string, message: string, options: { stalled?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'ReasonedError';
    this.reason = reason;
    this.stalled = options.stalled ?? false;
  }
}

/** The outcome an exception stands for. */
export function outcomeOf(error: unknown, reason = 'InternalError'): Outcome {
  if (error instanceof ReasonedError) {
    return error.stalled ? stalled(error.reason, error.message) : failed(error.reason, error.message);
  }
  return failed(reason, error instanceof Error ? error.message : String(error));
}
