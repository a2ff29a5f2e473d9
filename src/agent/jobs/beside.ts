/**
 * Long work beside the passes: a pass gives it a moment, and when it takes longer goes on without it and is called back at its end, so
 * that no worker stands still for a large copy. What a job came to is kept until somebody asks.
 */
import type { Clock } from '../../base/clock.ts';

/** How long a pass waits for a job before it goes on without it. */
export const JOB_GRACE_MS = 400;

export type Jobs = {
  /** Starts `work` ahead of the pass that will need it, unless it runs already; a failure nobody has asked for is found out anew by `run`. */
  begin(group: string, name: string, work: (signal: AbortSignal) => Promise<unknown>): void;
  /**
   * Runs `work` under `group`/`name` unless it runs already. Resolves with its value, or `undefined` while it goes on (then `whenDone` is
   * called once at its end); rejects with what it threw. `graceMs`: none for work that needs a turn its caller holds.
   */
  run<T>(
    group: string,
    name: string,
    work: (signal: AbortSignal) => Promise<T>,
    whenDone: () => void,
    graceMs?: number,
  ): Promise<{ value: T } | undefined>;
  /** Some work goes on. */
  isBusy(): boolean;
  /** Stops all work of a group and waits for its end; results are forgotten. */
  cancel(group: string): Promise<void>;
  /** Stops all work. */
  close(): Promise<void>;
};

type Job = {
  abort: AbortController;
  ended: Promise<void>;
  result?: { value: unknown } | { error: unknown };
  /** A pass has waited for it. */
  asked?: true;
};

/** No job runs yet. */
export function createJobs(clock: Clock): Jobs {
  const groups = new Map<string, Map<string, Job>>();

  const start = (work: (signal: AbortSignal) => Promise<unknown>): Job => {
    const abort = new AbortController();
    const job: Job = { abort, ended: Promise.resolve() };
    job.ended = work(abort.signal).then(
      (value) => {
        job.result = { value };
      },
      (error: unknown) => {
        job.result = { error };
      },
    );
    return job;
  };

  const grace = async (job: Job, graceMs: number): Promise<void> => {
    let cancel = () => {};
    const timer = new Promise<void>((resolve) => {
      cancel = clock.after(graceMs, resolve);
    });
    await Promise.race([job.ended, timer]);
    cancel();
  };

  const forget = (group: string, name: string) => {
    const jobs = groups.get(group);
    jobs?.delete(name);
    if (jobs?.size === 0) groups.delete(group);
  };

  const cancel = async (group: string): Promise<void> => {
    const jobs = [...(groups.get(group)?.values() ?? [])];
    groups.delete(group);
    for (const job of jobs) job.abort.abort(new Error('cancelled'));
    await Promise.all(jobs.map((job) => job.ended));
  };

  return {
    begin: (group, name, work) => {
      const jobs = groups.get(group) ?? new Map<string, Job>();
      groups.set(group, jobs);
      if (jobs.has(name)) return;
      const job = start(work);
      jobs.set(name, job);
      void job.ended.then(() => {
        const failed = job.result !== undefined && 'error' in job.result;
        if (failed && job.asked === undefined && jobs.get(name) === job) forget(group, name);
      });
    },
    run: async <T>(
      group: string,
      name: string,
      work: (signal: AbortSignal) => Promise<T>,
      whenDone: () => void,
      graceMs = JOB_GRACE_MS,
    ) => {
      const jobs = groups.get(group) ?? new Map<string, Job>();
      groups.set(group, jobs);
      const job = jobs.get(name) ?? start(work);
      jobs.set(name, job);
      const isFirst = job.asked === undefined;
      job.asked = true;
      if (job.result === undefined && isFirst) {
        if (graceMs > 0) await grace(job, graceMs);
        if (job.result === undefined) void job.ended.then(whenDone);
      }
      if (job.result === undefined) return undefined;
      if (jobs.get(name) === job) forget(group, name);
      if ('error' in job.result) throw job.result.error;
      return { value: job.result.value as T };
    },
    isBusy: () =>
      [...groups.values()].some((jobs) => [...jobs.values()].some(({ result }) => result === undefined)),
    cancel,
    close: async () => {
      await Promise.all([...groups.keys()].map(cancel));
    },
  };
}
