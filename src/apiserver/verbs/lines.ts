/** The lines of one watch response, in the form the client asked for. */
import { printJson } from '../../schema/json.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import { expired } from '../status.ts';
import { partialOf, type TableOptions, tableOf } from '../table/table.ts';
import { type EventType, eventLine, type WatchEvent } from '../watch/events.ts';
import { type Form, tableOptions } from './answer.ts';

const initialEndAnnotation = 'k8s.io/initial-events-end';

/** The line that tells a watcher to list anew. */
export function errorLine(asked: number, compacted: number): Buffer {
  const { status } = expired(`too old resource version: ${asked} (${compacted})`);
  return eventLine('ERROR', JSON.stringify(status));
}

/** Makes the lines of one watch. */
export type Writer = {
  initial(wire: () => Uint8Array, object: () => KubeObject): Buffer;
  event(type: EventType, event: WatchEvent): Buffer;
  bookmark(revision: number, endsInitialEvents: boolean): Buffer;
};

/** Makes the writer of one watch. */
export function createWriter(served: Served, form: Form): Writer {
  const table = form.shape === 'Table' ? createRows(tableOptions(served, form)) : undefined;
  const shape = (object: KubeObject): string =>
    printJson(table === undefined ? partialOf(object, form.version) : table(object));
  const plain = form.shape === 'Object';
  return {
    initial: (wire, object) => eventLine('ADDED', plain ? wire() : shape(object())),
    event: (type, event) => {
      if (plain) return event.line(type, served);
      return eventLine(type, shape(eventObject(type, event, served)));
    },
    bookmark: (revision, endsInitialEvents) => {
      const metadata = {
        resourceVersion: String(revision),
        creationTimestamp: null,
        ...(endsInitialEvents ? { annotations: { [initialEndAnnotation]: 'true' } } : {}),
      };
      const object = { kind: served.resource.kind, apiVersion: served.apiVersion, metadata };
      return eventLine('BOOKMARK', plain ? printJson(object) : shape(object));
    },
  };
}

function eventObject(type: EventType, event: WatchEvent, served: Served): KubeObject {
  const object = type === 'DELETED' ? event.previous(served) : event.current(served);
  return object ?? { apiVersion: served.apiVersion, kind: served.resource.kind, metadata: {} };
}

/** Only the first table of a watch says what its columns are. */
function createRows(options: TableOptions): (object: KubeObject) => unknown {
  let first = true;
  return (object) => {
    const { resourceVersion } = object.metadata;
    const metadata = resourceVersion === undefined ? {} : { resourceVersion };
    const table = tableOf([object], metadata, { ...options, withDefinitions: first });
    first = false;
    return table;
  };
}
