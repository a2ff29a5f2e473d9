/** One change as watchers see it: values are parsed, and answers serialised, once for all of them. */

import type { Change } from '../../store/contract.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import { decode, wireForm } from '../registry/codec.ts';

/** The types of watch events about objects. */
export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** A change with what has been derived from it so far. */
export type WatchEvent = {
  readonly key: string;
  readonly revision: number;
  readonly change: Change;
  /** The object after the change; undefined when it is gone. */
  current(served: Served): KubeObject | undefined;
  /** The object before the change; undefined when there was none. */
  previous(served: Served): KubeObject | undefined;
  /** The line of a watch response. DELETED carries the last state, at the revision of the deletion. */
  line(type: EventType, served: Served): Buffer;
};

/** Wraps a change; cheap until somebody asks. */
export function watchEvent(change: Change): WatchEvent {
  const objects = new Map<Served, { current?: KubeObject | undefined; previous?: KubeObject | undefined }>();
  const lines = new Map<Served, Map<EventType, Buffer>>();
  const after = change.type === 'put' ? change.value : undefined;
  const before = change.previous;
  const of = (served: Served) => {
    const found = objects.get(served) ?? {};
    objects.set(served, found);
    return found;
  };
  return {
    key: change.key,
    revision: change.revision,
    change,
    current: (served) => {
      const known = of(served);
      if (after !== undefined)
        known.current ??= decode(served, { value: after, modRevision: change.revision });
      return known.current;
    },
    previous: (served) => {
      const known = of(served);
      if (before !== undefined)
        known.previous ??= decode(served, { value: before, modRevision: change.revision });
      return known.previous;
    },
    line: (type, served) => {
      const made = lines.get(served) ?? new Map<EventType, Buffer>();
      lines.set(served, made);
      const value = (type === 'DELETED' ? before : after) ?? after ?? before;
      const line = made.get(type) ?? lineOf(type, served, value, change.revision);
      made.set(type, line);
      return line;
    },
  };
}

function lineOf(type: EventType, served: Served, value: Uint8Array | undefined, revision: number): Buffer {
  const object =
    value === undefined ? Buffer.from('null') : wireForm(served, { value, modRevision: revision });
  return eventLine(type, object);
}

/** `{"type":...,"object":...}` and a line feed, as every watch response is framed. */
export function eventLine(type: string, object: Uint8Array | string): Buffer {
  const bytes = typeof object === 'string' ? Buffer.from(object) : object;
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), bytes, Buffer.from('}\n')]);
}
