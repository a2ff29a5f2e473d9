/** Time as a port: everything that waits or stamps takes a Clock, so tests and the simulator own the time. */

export type Clock = {
  /** Wall clock, milliseconds since the Unix epoch: for timestamps people read, never for measuring. */
  now(): number;
  /** Milliseconds from an arbitrary start, never going back: for deadlines and durations. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` once after `ms`; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
};

/** RFC 3339 in UTC with whole seconds, as metav1.Time is written. */
export function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** The same of now. */
export function timestamp(clock: Clock): string {
  return timeOf(clock.now());
}

/** RFC 3339 in UTC with milliseconds: a moment whose order among others counts, of which two may lie in one second. */
export function exactTimestamp(ms: number): string {
  return new Date(ms).toISOString();
}

/** Orders times of RFC 3339, with or without fractions of a second: the earliest first, what is no time before all. */
export function byTime(a = '', b = ''): number {
  return (Date.parse(a) || 0) - (Date.parse(b) || 0);
}

/** RFC 3339 in UTC with microseconds, as metav1.MicroTime is written. */
export function microTimestamp(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace('Z', '000Z');
}
