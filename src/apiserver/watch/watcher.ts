/**
 * One watch: from a revision on, every change of the objects it selects, once and in order. An object that stops matching
 * the selectors is DELETED for this watcher, one that starts to is ADDED.
 */
import { CompactedError } from '../../store/contract.ts';
import { partsOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import type { EventType, WatchEvent } from './events.ts';
import type { Hub } from './hub.ts';

/** Which objects a watcher sees. */
export type WatchScope = {
  namespace: string | undefined;
  name: string | undefined;
  /** Absent when every object in the scope matches: then no object has to be parsed. */
  matches: ((object: KubeObject) => boolean) | undefined;
};

/** Where a watcher's events go. */
export type Receiver = {
  /** False when nothing more can be taken for now; `resume` is called once it can. */
  event(type: EventType, event: WatchEvent): boolean;
  /** The history the watcher needs is gone. */
  expired(revision: number): void;
};

/** A running watch. */
export type Watcher = {
  /** Goes on after `event` has returned false. */
  resume(): void;
  /** Everything up to here has been delivered; undefined while behind. */
  position(): number | undefined;
  close(): void;
};

/** Starts to deliver what comes after `revision`. */
export function startWatcher(
  hub: Hub,
  served: Served,
  scope: WatchScope,
  revision: number,
  receiver: Receiver,
): Watcher {
  let at = revision;
  let live = false;
  let closed = false;

  function deliver(event: WatchEvent): boolean {
    at = event.revision;
    const type = typeFor(event, served, scope);
    return type === undefined || receiver.event(type, event);
  }

  function onEvent(event: WatchEvent): void {
    // A watch from a revision that has not been handed out yet has seen what comes up to it.
    if (live && !closed && event.revision > at && !deliver(event)) live = false;
  }

  /** False when the round is full: a later one resumes. */
  function isOurTurn(): boolean {
    const isTaken = hub.take();
    if (!isTaken) hub.wait(waits);
    return isTaken;
  }

  function catchUp(): void {
    try {
      while (!closed && at < hub.revision()) {
        const { events, upTo } = hub.since(at, served.prefix);
        for (const event of events) {
          if (!isOurTurn()) return;
          if (!deliver(event) || closed) return;
        }
        at = upTo;
        // A look that finds nothing takes a place too: there may be very much that is of other kinds.
        if (events.length === 0 && !isOurTurn()) return;
      }
      live = !closed;
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
      receiver.expired(error.compactedRevision);
    }
  }

  function resume(): void {
    if (!live && !closed) catchUp();
  }

  function pause(): boolean {
    const stops = live;
    live = false;
    return stops;
  }

  const waits = { pause, resume };
  const unfollow = hub.follow({ prefix: served.prefix, onEvent, waits });
  catchUp();
  return {
    resume,
    position: () => (live ? Math.max(at, hub.revision()) : undefined),
    close: () => {
      closed = true;
      unfollow();
    },
  };
}

/** What a change is for a watcher with this scope; undefined when it is nothing to it. */
export function typeFor(event: WatchEvent, served: Served, scope: WatchScope): EventType | undefined {
  if (scope.namespace !== undefined || scope.name !== undefined) {
    const { namespace, name } = partsOf(served.prefix, event.key);
    if (scope.namespace !== undefined && scope.namespace !== namespace) return undefined;
    if (scope.name !== undefined && scope.name !== name) return undefined;
  }
  const selected = (object: KubeObject | undefined) =>
    object !== undefined && (scope.matches === undefined || scope.matches(object));
  const exists = event.change.type === 'put';
  const existed = event.change.previous !== undefined;
  const now = exists && (scope.matches === undefined || selected(event.current(served)));
  const before = existed && (scope.matches === undefined || selected(event.previous(served)));
  if (now) return before ? 'MODIFIED' : 'ADDED';
  return before ? 'DELETED' : undefined;
}
