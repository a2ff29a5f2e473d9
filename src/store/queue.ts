/** Group commit: jobs that arrive while a batch is being written form the next batch, so they share one flush. */

export type BatchQueue<Job> = {
  push(job: Job): void;
  /** Resolves when no job is waiting or running. */
  drained(): Promise<void>;
};

/** Runs batches one after the other, of at most `limit` jobs. `run` must settle its jobs itself and never reject. */
export function createBatchQueue<Job>(run: (batch: Job[]) => Promise<void>, limit: number): BatchQueue<Job> {
  const waiting: Job[] = [];
  let running: Promise<void> | undefined;

  const work = async (): Promise<void> => {
    // One turn of patience: jobs pushed by the same event join the first batch.
    await Promise.resolve();
    while (waiting.length > 0) await run(waiting.splice(0, limit));
    running = undefined;
  };

  return {
    push: (job) => {
      waiting.push(job);
      running ??= work();
    },
    drained: async () => {
      while (running !== undefined) await running;
    },
  };
}
