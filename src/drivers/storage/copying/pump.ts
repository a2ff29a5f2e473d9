/** Moves bytes between a program and the wire, no faster than is allowed. */
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../../base/clock.ts';
import type { Wire } from './wire.ts';

/** Waiting less is not worth a timer. */
const leastWaitMs = 10;

/** Waits as long as `bytes` more take at the allowed speed. */
export type Pace = (bytes: number) => Promise<void>;

/** No more than `bytesPerSecond` over time; absent: no limit. */
export function createPace(clock: Clock, bytesPerSecond: number | undefined, signal: AbortSignal): Pace {
  if (bytesPerSecond === undefined) return async () => {};
  let freeAtMs = clock.monotonic();
  return async (bytes) => {
    const now = clock.monotonic();
    freeAtMs = Math.max(freeAtMs, now) + (bytes * 1_000) / bytesPerSecond;
    if (freeAtMs - now >= leastWaitMs) await clock.sleep(freeAtMs - now, signal);
  };
}

/** Sends all that comes from `from`; not that it was all. `seen` looks at each piece. */
export async function pumpOut(
  from: Readable,
  wire: Wire,
  pace: Pace,
  seen: (data: Buffer) => void = () => {},
): Promise<void> {
  for await (const chunk of from.iterator({ destroyOnReturn: false })) {
    const data = chunk as Buffer;
    seen(data);
    await wire.send(data);
    await pace(data.length);
  }
}

/** Gives all that comes over the wire to `to`, until the other side says that it was all. One that reads no more misses the rest. */
export async function pumpIn(
  wire: Wire,
  to: Writable,
  signal: AbortSignal,
  seen: (data: Buffer) => void = () => {},
): Promise<void> {
  for (;;) {
    const frame = await wire.next();
    if (frame.type === 'End') break;
    if (frame.type !== 'Data') continue;
    seen(frame.data);
    if (to.writable && !to.write(frame.data)) await roomIn(to, signal);
  }
  to.end();
}

function roomIn(to: Writable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      for (const name of ['drain', 'close', 'error', 'finish']) to.off(name, settle);
      signal.removeEventListener('abort', settle);
      resolve();
    };
    for (const name of ['drain', 'close', 'error', 'finish']) to.on(name, settle);
    signal.addEventListener('abort', settle, { once: true });
  });
}
