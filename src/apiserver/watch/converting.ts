/**
 * A watch of objects that a webhook has to convert. It never takes events as they come: it pulls them, converts them, and delivers
 * them in order and in the rounds of the hub, so that a slow webhook delays this watch only and costs no memory.
 */
import { CompactedError } from '../../store/contract.ts';
import type { Served } from '../catalog/served.ts';
import type { Context } from '../registry/context.ts';
import { ApiError, failure, type Status } from '../status.ts';
import { type Receiver, typeFor, type Watcher, type WatchScope } from './watcher.ts';

/** Where a converting watch's events go; `failed` ends it. */
type ConvertingReceiver = Receiver & { failed(status: Status): void };

/** Starts to deliver what comes after `revision`. */
export function startConvertingWatcher(
  context: Context,
  served: Served,
  scope: WatchScope,
  revision: number,
  receiver: ConvertingReceiver,
): Watcher {
  const { hub } = context;
  let at = revision;
  let state: 'idle' | 'pulling' | 'blocked' | 'closed' = 'idle';

  const isClosed = () => state === 'closed';

  async function pull(): Promise<void> {
    if (state !== 'idle') return;
    state = 'pulling';
    try {
      while (at < hub.revision()) {
        const { events, upTo } = hub.since(at, served.prefix);
        for (const event of events) {
          await event.convert(context, served);
          while (!hub.take()) await new Promise<void>((resume) => hub.wait({ resume }));
          if (isClosed()) return;
          at = event.revision;
          const type = typeFor(event, served, scope);
          if (type === undefined || receiver.event(type, event)) continue;
          state = 'blocked';
          return;
        }
        at = upTo;
      }
      state = 'idle';
    } catch (error) {
      if (isClosed()) return;
      state = 'closed';
      if (error instanceof CompactedError) receiver.expired(error.compactedRevision);
      else receiver.failed(statusOf(error));
    }
  }

  const waits = { pause: () => state === 'idle', resume: () => void pull() };
  const unfollow = hub.follow({ prefix: served.prefix, onEvent: () => void pull(), waits });
  void pull();
  return {
    resume: () => {
      if (state !== 'blocked') return;
      state = 'idle';
      void pull();
    },
    position: () => (state === 'idle' ? hub.revision() : undefined),
    close: () => {
      state = 'closed';
      unfollow();
    },
  };
}

function statusOf(error: unknown): Status {
  return error instanceof ApiError ? error.status : failure(500, 'InternalError', String(error)).status;
}
