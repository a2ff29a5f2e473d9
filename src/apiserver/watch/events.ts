/** One change as watchers see it: values are parsed, and answers serialised, once for all of them. */

import type { Change } from '../../store/contract.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import { decode, wireForm } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { oneInServedVersion } from '../registry/versions.ts';

/** The types of watch events about objects. */
export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** A change with what has been derived from it so far. */
export type WatchEvent = {
  readonly key: string;
  readonly revision: number;
  readonly change: Change;
  /** Converts both states by the webhook of the definition; until then the others show them as they are stored. Throws 500. */
  convert(context: Context, served: Served): Promise<void>;
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
  const conversions = new Map<Served, Promise<void>>();
  const states = new Map<Served, States>();
  const plain: States = { after: change.type === 'put' ? change.value : undefined, before: change.previous };
  const statesOf = (served: Served) => states.get(served) ?? plain;
  const of = (served: Served) => {
    const found = objects.get(served) ?? {};
    objects.set(served, found);
    return found;
  };
  return {
    key: change.key,
    revision: change.revision,
    change,
    convert: (context, served) => {
      const started =
        conversions.get(served) ??
        converted(context, served, plain, change.revision).then((result) => void states.set(served, result));
      conversions.set(served, started);
      return started;
    },
    current: (served) => {
      const known = of(served);
      const { after } = statesOf(served);
      if (after !== undefined)
        known.current ??= decode(served, { value: after, modRevision: change.revision });
      return known.current;
    },
    previous: (served) => {
      const known = of(served);
      const { before } = statesOf(served);
      if (before !== undefined)
        known.previous ??= decode(served, { value: before, modRevision: change.revision });
      return known.previous;
    },
    line: (type, served) => {
      const made = lines.get(served) ?? new Map<EventType, Buffer>();
      lines.set(served, made);
      const { after, before } = statesOf(served);
      const value = (type === 'DELETED' ? before : after) ?? after ?? before;
      const line = made.get(type) ?? lineOf(type, served, value, change.revision);
      made.set(type, line);
      return line;
    },
  };
}

/** The values a change lies between. */
type States = { after: Uint8Array | undefined; before: Uint8Array | undefined };

async function converted(
  context: Context,
  served: Served,
  { after, before }: States,
  modRevision: number,
): Promise<States> {
  const one = async (value: Uint8Array | undefined) =>
    value === undefined
      ? undefined
      : (await oneInServedVersion(context, served, { value, modRevision })).value;
  return { after: await one(after), before: await one(before) };
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
