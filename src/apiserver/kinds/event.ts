/** Event, stored once and served in two groups: `v1`, and `events.k8s.io/v1` with other field names for the same things. */
import type { FieldError } from '../../schema/contract.ts';
import { invalid, required } from '../../schema/errors.ts';
import { isRecord, type KubeObject } from '../object.ts';
import type { KindSchema } from '../resource.ts';
import { ageOf } from '../table/age.ts';
import { type Column, column, nameColumn } from '../table/columns.ts';
import { kind } from './kind.ts';
import { integer, objectReference, record, text, time } from './schema.ts';

const source = record('The component that reported.', {
  component: text('The component.'),
  host: text('The host it runs on.'),
});

/** Fields of the same name and meaning in both groups. */
const shared: { [name: string]: KindSchema } = {
  reason: text('The reason for the action, machine readable.'),
  type: text('Normal or Warning.'),
  eventTime: time('When the event was first observed.'),
  series: record('The series this event belongs to, if it goes on.', {
    count: integer('How often it was seen.'),
    lastObservedTime: time('When it was seen last.'),
  }),
  action: text('What was done or failed.'),
  related: objectReference('A second object that has part in it.'),
  reportingInstance: text('The instance of the controller.'),
};

/** The names of one thing in v1 and in events.k8s.io/v1. */
const renamed: readonly (readonly [string, string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
];

const back = renamed.map(([core, newer]) => [newer, core] as const);

function rename(
  object: KubeObject,
  apiVersion: string,
  pairs: readonly (readonly [string, string])[],
): KubeObject {
  const result: KubeObject = { ...object, apiVersion };
  for (const [from, to] of pairs) {
    delete result[from];
    if (object[from] !== undefined) result[to] = object[from];
  }
  return result;
}

const involvedFields = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];

function member(value: unknown, field: string): string {
  return isRecord(value) && typeof value[field] === 'string' ? value[field] : '';
}

/** An event about an object without a namespace lives in `default` (or kube-system). */
function checkNamespace(involved: unknown, namespace: string, field: string): FieldError[] {
  const about = member(involved, 'namespace');
  const fits = about === '' ? ['default', 'kube-system'].includes(namespace) : about === namespace;
  return fits ? [] : [invalid(`${field}.namespace`, about, 'does not match event.namespace')];
}

/** When an event was last seen. */
export function lastSeen(event: KubeObject): unknown {
  const series = isRecord(event.series) ? event.series.lastObservedTime : undefined;
  return series ?? event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
}

function countOf(event: KubeObject): number {
  const series = isRecord(event.series) ? event.series.count : undefined;
  const count = series ?? event.count;
  return typeof count === 'number' ? count : 1;
}

function objectText(event: KubeObject): string {
  const involved = event.involvedObject;
  return `${member(involved, 'kind').toLowerCase()}/${member(involved, 'name')}`;
}

function sourceText(event: KubeObject): string {
  const component = member(event.source, 'component') || String(event.reportingComponent ?? '');
  const host = member(event.source, 'host') || String(event.reportingInstance ?? '');
  return host === '' ? component : `${component}, ${host}`;
}

const columns: Column[] = [
  column('Last Seen', (event, nowMs) => ageOf(lastSeen(event), nowMs)),
  column('Type', (event) => String(event.type ?? '')),
  column('Reason', (event) => String(event.reason ?? '')),
  column('Object', objectText),
  column('Subobject', (event) => member(event.involvedObject, 'fieldPath'), { priority: 1 }),
  column('Source', sourceText, { priority: 1 }),
  column('Message', (event) => String(event.message ?? '').trim()),
  column(
    'First Seen',
    (event, nowMs) =>
      ageOf(event.firstTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp, nowMs),
    { priority: 1 },
  ),
  column('Count', countOf, { type: 'integer', priority: 1 }),
  { ...nameColumn, definition: { ...nameColumn.definition, priority: 1 } },
];

const selectable = ['.reason', '.type', '.reportingComponent', '.source.component'];

/** Event of the core group: the form that is stored. */
export const eventKind = kind({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  description: 'Event is a report of an event somewhere in the cluster. Events are kept for a limited time.',
  required: ['involvedObject'],
  selectableFields: [...involvedFields.map((field) => `.involvedObject.${field}`), ...selectable],
  fields: {
    ...shared,
    involvedObject: objectReference('The object this event is about.'),
    message: text('What happened, for people.'),
    source,
    firstTimestamp: time('When it was first recorded.'),
    lastTimestamp: time('When it was recorded last.'),
    count: integer('How often it occurred.'),
    reportingComponent: text('The controller that reports.'),
  },
  behaviour: {
    createOnUpdate: true,
    validate: (event) =>
      checkNamespace(event.involvedObject, event.metadata.namespace ?? '', 'involvedObject'),
  },
  columns,
});

function validateNew(event: KubeObject, old?: KubeObject): FieldError[] {
  const checks = checkNamespace(event.regarding, event.metadata.namespace ?? '', 'regarding');
  if (old !== undefined) return checks;
  const wanted = ['eventTime', 'reportingController', 'reportingInstance', 'action', 'reason'];
  return [...checks, ...wanted.filter((field) => !event[field]).map((field) => required(field))];
}

/** Event of events.k8s.io: the same objects under newer names. */
export const newEventKind = kind({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  description: 'Event is a report of an event somewhere in the cluster.',
  selectableFields: involvedFields.map((field) => `.regarding.${field}`).concat(['.reason', '.type']),
  fields: {
    ...shared,
    regarding: objectReference('The object this event is about.'),
    note: text('What happened, for people.'),
    deprecatedSource: source,
    deprecatedFirstTimestamp: time('When it was first recorded.'),
    deprecatedLastTimestamp: time('When it was recorded last.'),
    deprecatedCount: integer('How often it occurred.'),
    reportingController: text('The controller that reports.'),
  },
  behaviour: {
    createOnUpdate: true,
    validate: validateNew,
    view: {
      of: { group: '', plural: 'events', version: 'v1', kind: 'Event' },
      toStorage: (object) => rename(object, 'v1', back),
      fromStorage: (object) => rename(object, 'events.k8s.io/v1', renamed),
    },
  },
  columns: columns.map(({ definition, cell }) => ({
    definition,
    cell: (object, nowMs) => cell(rename(object, 'v1', back), nowMs),
  })),
});
