/** Small builders, so that the schema of a built-in kind reads like its documentation. */
import type { KindSchema } from '../resource.ts';

/** A string. */
export const text = (description: string, rest: KindSchema = {}): KindSchema => ({
  type: 'string',
  description,
  ...rest,
});

/** A whole number of 32 bits. */
export const integer = (description: string, rest: KindSchema = {}): KindSchema => ({
  type: 'integer',
  format: 'int32',
  description,
  ...rest,
});

/** True or false. */
export const truth = (description: string): KindSchema => ({ type: 'boolean', description });

/** metav1.Time and MicroTime. */
export const time = (description: string): KindSchema => ({
  type: 'string',
  format: 'date-time',
  description,
});

/** An object with named fields. */
export const record = (
  description: string,
  properties: { [name: string]: KindSchema },
  rest: KindSchema = {},
): KindSchema => ({ type: 'object', description, properties, ...rest });

/** A map from strings. */
export const mapOf = (values: KindSchema, description: string): KindSchema => ({
  type: 'object',
  description,
  additionalProperties: values,
});

/** A list that is replaced as a whole. */
export const listOf = (items: KindSchema, description: string): KindSchema => ({
  type: 'array',
  description,
  items,
  'x-kubernetes-list-type': 'atomic',
});

/** A list of distinct scalars. */
export const setOf = (items: KindSchema, description: string): KindSchema => ({
  type: 'array',
  description,
  items,
  'x-kubernetes-list-type': 'set',
  'x-kubernetes-patch-strategy': 'merge',
});

/** A list of items known by one field. */
export const keyedBy = (key: string, items: KindSchema, description: string): KindSchema => ({
  type: 'array',
  description,
  items,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': [key],
  'x-kubernetes-patch-merge-key': key,
  'x-kubernetes-patch-strategy': 'merge',
});

/** Anything. */
export const anything = (description: string): KindSchema => ({
  description,
  'x-kubernetes-preserve-unknown-fields': true,
});

/** v1 ObjectReference. */
export const objectReference = (description: string): KindSchema =>
  record(
    description,
    {
      apiVersion: text('API version of the referent.'),
      kind: text('Kind of the referent.'),
      namespace: text('Namespace of the referent.'),
      name: text('Name of the referent.'),
      uid: text('UID of the referent.'),
      resourceVersion: text('Specific resourceVersion to which this reference is made, if any.'),
      fieldPath: text('A part of the referent, such as spec.containers{name}.'),
    },
    { 'x-kubernetes-map-type': 'atomic' },
  );

/** metav1.LabelSelector. */
export const labelSelector = (description: string): KindSchema =>
  record(
    description,
    {
      matchLabels: mapOf(text('A value.'), 'Labels and the values they must have.'),
      matchExpressions: listOf(
        record(
          'A requirement on one label.',
          {
            key: text('The label key.'),
            operator: text('In, NotIn, Exists or DoesNotExist.'),
            values: listOf(text('A value.'), 'The values of In and NotIn.'),
          },
          { required: ['key', 'operator'] },
        ),
        'Requirements that must all hold.',
      ),
    },
    { 'x-kubernetes-map-type': 'atomic' },
  );

/** metav1.Condition and its older relatives. */
export const conditions = (description: string): KindSchema =>
  keyedBy(
    'type',
    record(
      'An observation of the state.',
      {
        type: text('The name of the condition.'),
        status: text('True, False or Unknown.'),
        reason: text('The cause in one CamelCase word.'),
        message: text('The cause in a sentence.'),
        lastTransitionTime: time('When status last changed.'),
        observedGeneration: { type: 'integer', format: 'int64', description: 'The generation looked at.' },
      },
      { required: ['type', 'status'] },
    ),
    description,
  );
