/** Builds of images, one at a time: building takes all of a small host's processor and disk. */

export type Builds = {
  /** The build of this source: waiting, running (no error) or failed. */
  get(name: string, hash: string): { error?: unknown } | undefined;
  /** How often this source has failed in a row. */
  failures(name: string, hash: string): number;
  start(name: string, hash: string, work: (signal: AbortSignal) => Promise<void>, whenDone: () => void): void;
  /** Forgets a failed build when `timer` fires, so that the next look starts it again. */
  retryAfter(name: string, timer: (run: () => void) => () => void, then: () => void): void;
  /** Forgets what is known of an image that has been made. */
  forget(name: string): void;
  /** Stops the build and waits for its end. */
  cancel(name: string): Promise<void>;
  close(): Promise<void>;
};

type Build = {
  hash: string;
  abort: AbortController;
  ended: Promise<void>;
  error?: unknown;
  stopTimer?: () => void;
};

/** Nothing is being built. */
export function createBuilds(): Builds {
  const builds = new Map<string, Build>();
  const failures = new Map<string, { hash: string; count: number }>();
  let line: Promise<void> = Promise.resolve();

  const cancel = async (name: string): Promise<void> => {
    const build = builds.get(name);
    if (build === undefined) return;
    builds.delete(name);
    build.stopTimer?.();
    build.abort.abort(new Error('the image is no longer wanted like this'));
    await build.ended;
  };

  return {
    get: (name, hash) => {
      const build = builds.get(name);
      return build?.hash === hash ? build : undefined;
    },
    failures: (name, hash) => {
      const known = failures.get(name);
      return known?.hash === hash ? known.count : 0;
    },
    start: (name, hash, work, whenDone) => {
      const build: Build = { hash, abort: new AbortController(), ended: Promise.resolve() };
      const run = async () => {
        if (build.abort.signal.aborted) return;
        await work(build.abort.signal);
      };
      build.ended = line.then(run).then(
        () => void (builds.get(name) === build && builds.delete(name)),
        (error: unknown) => {
          build.error = error;
          const known = failures.get(name);
          failures.set(name, { hash, count: known?.hash === hash ? known.count + 1 : 1 });
        },
      );
      line = build.ended;
      builds.set(name, build);
      void build.ended.then(() => {
        if (!build.abort.signal.aborted) whenDone();
      });
    },
    retryAfter: (name, timer, then) => {
      const build = builds.get(name);
      if (build === undefined || build.stopTimer !== undefined) return;
      build.stopTimer = timer(() => {
        if (builds.get(name) === build) builds.delete(name);
        then();
      });
    },
    forget: (name) => {
      failures.delete(name);
    },
    cancel,
    close: async () => {
      await Promise.all([...builds.keys()].map(cancel));
    },
  };
}
