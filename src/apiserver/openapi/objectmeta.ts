/** The schema of metav1.ObjectMeta, which no CRD spells: for explain, strategic merge and field ownership alike. */
import type { KindSchema } from '../resource.ts';

const text = (description: string): KindSchema => ({ type: 'string', description });
const time = (description: string): KindSchema => ({ type: 'string', format: 'date-time', description });
const texts = (description: string): KindSchema => ({
  type: 'object',
  description,
  additionalProperties: { type: 'string', default: '' },
});

/** metav1.OwnerReference. */
export const ownerReferenceSchema: KindSchema = {
  type: 'object',
  description:
    'OwnerReference contains enough information to let you identify an owning object. An owning object must be in the same namespace as the dependent, or be cluster-scoped.',
  required: ['apiVersion', 'kind', 'name', 'uid'],
  'x-kubernetes-map-type': 'atomic',
  properties: {
    apiVersion: text('API version of the owner.'),
    blockOwnerDeletion: {
      type: 'boolean',
      description: 'The owner cannot be removed in the foreground before this reference is gone.',
    },
    controller: { type: 'boolean', description: 'True if this reference points to the managing controller.' },
    kind: text('Kind of the owner.'),
    name: text('Name of the owner.'),
    uid: text('UID of the owner.'),
  },
};

/** metav1.ManagedFieldsEntry. */
export const managedFieldsEntrySchema: KindSchema = {
  type: 'object',
  description: 'ManagedFieldsEntry says which fields a manager has set, and how.',
  properties: {
    apiVersion: text('The version of the resource that this field set applies to.'),
    fieldsType: text('The format of fieldsV1; only "FieldsV1" is known.'),
    fieldsV1: { type: 'object', description: 'The set of fields, as a tree of paths.' },
    manager: text('The name of the workflow managing these fields.'),
    operation: text('The type of operation that made this entry: Apply or Update.'),
    subresource: text('The subresource that was used; empty for the main resource.'),
    time: time('When the set of fields last changed.'),
  },
};

/**
 * metav1.ObjectMeta.
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
 */
export const objectMetaSchema: KindSchema = {
  type: 'object',
  description:
    'ObjectMeta is metadata that all persisted resources must have, which includes all objects users must create.',
  properties: {
    annotations: texts(
      'An unstructured map of strings set by tools to keep arbitrary data. Not queryable, and to be preserved when objects are modified.',
    ),
    creationTimestamp: time('When the server made this object, in UTC. Set by the system, read-only.'),
    deletionGracePeriodSeconds: {
      type: 'integer',
      format: 'int64',
      description:
        'Seconds this object may take to end gracefully before it is removed. Read-only, set together with deletionTimestamp.',
    },
    deletionTimestamp: time(
      'When the object was asked to be deleted. It is removed once its list of finalizers is empty. Read-only.',
    ),
    finalizers: {
      type: 'array',
      description:
        'Must be empty before the object is removed: each entry names the component that removes it.',
      items: { type: 'string', default: '' },
      'x-kubernetes-list-type': 'set',
      'x-kubernetes-patch-strategy': 'merge',
    },
    generateName: text('A prefix from which the server makes a unique name when name is empty.'),
    generation: {
      type: 'integer',
      format: 'int64',
      description: 'Counts the changes of the desired state. Set by the system, read-only.',
    },
    labels: texts('A map of strings by which objects are organised and selected.'),
    managedFields: {
      type: 'array',
      description: 'Which workflow manages which set of fields; kept by the server.',
      items: managedFieldsEntrySchema,
      'x-kubernetes-list-type': 'atomic',
    },
    name: text('Must be unique within a namespace. Cannot be updated.'),
    namespace: text('The space within which each name must be unique. Cannot be updated.'),
    ownerReferences: {
      type: 'array',
      description: 'Objects this object depends on. When all of them are deleted, it is deleted too.',
      items: ownerReferenceSchema,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['uid'],
      'x-kubernetes-patch-merge-key': 'uid',
      'x-kubernetes-patch-strategy': 'merge',
    },
    resourceVersion: text(
      'Opaque value by which clients see that an object has changed. Set by the system, read-only.',
    ),
    selfLink: text('No longer set by the system.'),
    uid: text('Unique in time and space for this object. Set by the system, read-only.'),
  },
};

/** The first three fields of any object, beside the kind's own. */
export const objectFields: { [name: string]: KindSchema } = {
  apiVersion: text(
    'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
  ),
  kind: text(
    'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
  ),
  metadata: objectMetaSchema,
};

/** The schema of a whole object with metadata spelt out, whatever the kind itself says of it. */
export function withObjectMeta(schema: KindSchema): KindSchema {
  return { ...schema, type: 'object', properties: { ...schema.properties, ...objectFields } };
}
