/**
 * Notices that containers end or reboot: one listing of /proc per interval tells whether any known process is gone, whatever their number.
 * LXC's own event stream would need a process for each path and does not tell of containers whose monitor died.
 */
import type { Clock } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';
import type { Log } from '../../../base/log.ts';

export type Watchers = {
  /** From now on the loss of one of these processes is told to the listeners, once. */
  track(id: string, pids: readonly number[]): void;
  forget(id: string): void;
  /** Returns the end of it. */
  watch(listener: (id: string) => void): () => void;
  close(): void;
};

const intervalMs = 500;

export function createWatchers(world: { clock: Clock; files: Files; log: Log }): Watchers {
  const tracked = new Map<string, readonly number[]>();
  const listeners = new Set<(id: string) => void>();
  let cancel: (() => void) | undefined;
  let closed = false;

  async function look(): Promise<void> {
    if (tracked.size === 0) return;
    const living = new Set(await world.files.list('/proc'));
    for (const [id, pids] of tracked) {
      if (pids.every((pid) => living.has(String(pid)))) continue;
      tracked.delete(id);
      for (const listener of listeners) listener(id);
    }
  }

  function schedule(): void {
    if (closed || cancel !== undefined || listeners.size === 0) return;
    cancel = world.clock.after(intervalMs, () => {
      void look()
        .catch((error: unknown) =>
          world.log.warn('cannot look for ended containers', { error: String(error) }),
        )
        .finally(() => {
          cancel = undefined;
          schedule();
        });
    });
  }

  function stop(): void {
    cancel?.();
    cancel = undefined;
  }

  return {
    track: (id, pids) => {
      tracked.set(id, pids);
    },
    forget: (id) => {
      tracked.delete(id);
    },
    watch: (listener) => {
      listeners.add(listener);
      schedule();
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) stop();
      };
    },
    close: () => {
      closed = true;
      stop();
    },
  };
}
