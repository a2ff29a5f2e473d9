/** A watch on the in-memory server: replays what happened since a revision, then follows, as seen through a selection. */
import type { KindRef } from '../../api/meta.ts';
import type { ListOptions, WatchEvent } from '../contract.ts';
import { ApiError } from '../contract.ts';
import { deepFreeze } from '../frozen.ts';
import type { Selector } from '../selector.ts';
import { selectorOf } from '../selector.ts';
import type { AnyStored, MemoryChange, Signal, State } from './state.ts';

type AnyEvent = WatchEvent<AnyStored>;

/** An object that enters the selection is ADDED, one that leaves it DELETED, whatever happened to it. */
function eventOf(change: MemoryChange, selects: Selector): AnyEvent | undefined {
  const { before, after, revision } = change;
  const was = before !== undefined && selects(before);
  const is = after !== undefined && selects(after);
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object: after };
  if (!was) return undefined;
  const metadata = { ...before.metadata, resourceVersion: String(revision) };
  return { type: 'DELETED', object: deepFreeze({ ...before, metadata }) };
}

function expired(from: number, oldest: number): ApiError {
  return new ApiError(410, 'Expired', `too old resource version: ${from} (${oldest})`);
}

/** Ends when the signal is aborted or the server disconnects; 410 Expired when `resourceVersion` is forgotten. */
export async function* watchState(
  state: State,
  kind: KindRef,
  options: ListOptions & { resourceVersion: string; bookmarks?: boolean },
): AsyncGenerator<AnyEvent> {
  const selects = selectorOf(options);
  const from = Number(options.resourceVersion);
  if (from < state.compactedAt()) throw expired(from, state.compactedAt());
  const waiting: Signal[] = state.changesAfter(kind, from).map((change) => ({ type: 'change', change }));
  let wake = (): void => {};
  const hear = (signal: Signal): void => {
    waiting.push(signal);
    wake();
  };
  const end = (): void => hear({ type: 'end' });
  const unsubscribe = state.subscribe(kind, hear);
  options.signal?.addEventListener('abort', end, { once: true });
  try {
    while (options.signal?.aborted !== true) {
      const signal = waiting.shift();
      if (signal === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else if (signal.type === 'end') {
        return;
      } else if (signal.type === 'bookmark') {
        if (options.bookmarks === true) yield { type: 'BOOKMARK', resourceVersion: String(signal.revision) };
      } else {
        const event = eventOf(signal.change, selects);
        if (event !== undefined) yield event;
      }
    }
  } finally {
    unsubscribe();
    options.signal?.removeEventListener('abort', end);
  }
}
