/** What all jobs have in common, objects that stand for work that is done once: their fields, their stamp, and by when they must begin. */
import { STARTED_ANNOTATION } from './cluster.ts';
import {
  conditions,
  dnsLabel,
  integer,
  object,
  objectName,
  observedGeneration,
  oneOf,
  type Rules,
  type TSchema,
  Type,
  text,
  time,
} from './fields.ts';
import type { PrinterColumn } from './kind.ts';
import type { ObjectMeta } from './meta.ts';

/** The guest a job is about. */
export const jobGuest = object('The guest, in the same namespace.', {
  kind: oneOf(['VirtualMachine', 'Container'], 'Kind of the guest.'),
  name: dnsLabel('Name of the guest.'),
});

/** When a job says no other. */
export const START_DEADLINE_SECONDS = 600;

/** `spec.startDeadlineSeconds`. */
export function startDeadline(
  description = 'Not begun within this many seconds it fails and is never executed.',
) {
  return Type.Optional(integer(description, 1, 86_400, START_DEADLINE_SECONDS));
}

/** `spec.ttlSecondsAfterFinished`. */
export const timeToLive = Type.Optional(
  integer('Deleted this many seconds after its end; kept when absent.', 0, 31_536_000),
);

/** Rules for fields of a spec that stay as they are. `optional`: fields that may be absent, and then stay absent; in CEL a word of its language is written with underscores around it. */
export function fixed(required: readonly string[], optional: readonly string[] = []): Rules {
  const rule = (field: string, text: string) => ({
    rule: text,
    message: 'cannot be changed',
    fieldPath: `.${field.replaceAll('__', '')}`,
  });
  return [
    ...required.map((field) => rule(field, `self.${field} == oldSelf.${field}`)),
    ...optional.map((field) =>
      rule(
        field,
        `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
      ),
    ),
  ];
}

/** The fields of a status that say how far a job is. `about`: descriptions of what differs. */
export function jobProgress<P extends TSchema>(phase: P, about: { host?: string; message?: string } = {}) {
  return {
    observedGeneration,
    conditions,
    phase: Type.Optional(phase),
    host: Type.Optional(objectName(about.host ?? 'Host that executes it.')),
    startedAt: Type.Optional(time('When the host began.')),
    completedAt: Type.Optional(time('When it ended.')),
    message: Type.Optional(text(about.message ?? 'What happened.', 1024)),
  };
}

/** `status.progress` of jobs that copy volumes. */
export const copyProgress = Type.Optional(
  object('How much is copied, said every few seconds.', {
    percent: integer('Of what there is to copy, about; 100 when all of it is there.', 0, 100),
  }),
);

/** What `kubectl get` shows of most jobs. */
export const jobColumns = {
  guest: { name: 'Guest', type: 'string', jsonPath: '.spec.guest.name', description: 'Guest.' },
  phase: { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'How far it is.' },
  message: {
    name: 'Message',
    type: 'string',
    jsonPath: '.status.message',
    description: 'What happened.',
    priority: 1,
  },
  copied: {
    name: 'Copied',
    type: 'integer',
    jsonPath: '.status.progress.percent',
    description: 'Percent that is copied.',
    priority: 1,
  },
  age: { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
} as const satisfies Record<string, PrinterColumn>;

type Identity = Pick<ObjectMeta, 'annotations'> & { name: string; uid: string };

/** Annotations written before a job's first side effect, so that no copy of the object is ever executed again. */
export function startedStamp({ name, uid }: Identity): Record<string, string> {
  return { [STARTED_ANNOTATION]: `${name}/${uid}` };
}

/** True for a copy, made from a backup of the cluster, of an object that was executed. */
export function isRestoredCopy({ metadata }: { metadata: Identity }): boolean {
  const stamp = metadata.annotations?.[STARTED_ANNOTATION];
  return stamp !== undefined && stamp !== `${metadata.name}/${metadata.uid}`;
}

/** Wall clock, milliseconds, at which a job that has not begun fails. */
export function startDeadlineOf({
  metadata,
  spec,
}: {
  metadata: Pick<ObjectMeta, 'creationTimestamp'>;
  spec: { startDeadlineSeconds?: number; notBefore?: string };
}): number {
  const notBefore = Date.parse(spec.notBefore ?? '') || 0;
  const from = Math.max(Date.parse(metadata.creationTimestamp ?? ''), notBefore);
  return from + (spec.startDeadlineSeconds ?? START_DEADLINE_SECONDS) * 1_000;
}
