/** Namespace: the space of names whose deletion takes everything in it along. */
import { labelErrors } from '../metadata/names.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { ageColumn, column, nameColumn } from '../table/columns.ts';
import { allVerbs, kind } from './kind.ts';
import { conditions, record, setOf, text } from './schema.ts';

/** Held in spec.finalizers until the namespace is empty. */
export const contentFinalizer = 'kubernetes';
/** Clients count on these (the admission plug-in NamespaceLifecycle of kube-apiserver). */
const immortal = ['default', 'kube-system', 'kube-public'];
const nameLabel = 'kubernetes.io/metadata.name';

/** What holds a namespace beside metadata.finalizers. */
export function specFinalizers(object: KubeObject): readonly string[] {
  const spec = isRecord(object.spec) ? object.spec : {};
  return Array.isArray(spec.finalizers) ? spec.finalizers.filter((name) => typeof name === 'string') : [];
}

/** Active or Terminating. */
export function phaseOf(object: KubeObject): string {
  return isRecord(object.status) && typeof object.status.phase === 'string' ? object.status.phase : 'Active';
}

function labelled(object: KubeObject): void {
  object.metadata.labels = { ...object.metadata.labels, [nameLabel]: object.metadata.name ?? '' };
}

/** The Namespace kind. */
export const namespaceKind = kind({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  shortNames: ['ns'],
  namespaced: false,
  description: 'Namespace provides a scope for names.',
  status: true,
  verbs: allVerbs.filter((verb) => verb !== 'deletecollection'),
  selectableFields: ['.status.phase'],
  fields: {
    spec: record('How the namespace behaves.', {
      finalizers: setOf(text('A name.'), 'What must be done before the namespace is removed.'),
    }),
    status: record('The state of the namespace.', {
      phase: text('Active or Terminating.'),
      conditions: conditions('Why a deletion does not go on.'),
    }),
  },
  behaviour: {
    nameErrors: labelErrors,
    prepareCreate: (object) => {
      labelled(object);
      object.spec = { finalizers: [contentFinalizer] };
      object.status = { phase: 'Active' };
    },
    prepareUpdate: (object, old) => {
      labelled(object);
      object.spec = old.spec;
    },
    undeletable: (name) => (immortal.includes(name) ? 'this namespace may not be deleted' : undefined),
    prepareDelete: (object) => {
      object.status = { ...(isRecord(object.status) ? object.status : {}), phase: 'Terminating' };
    },
    heldBy: specFinalizers,
  },
  columns: [nameColumn, column('Status', phaseOf, { description: 'The status of the namespace' }), ageColumn],
});
